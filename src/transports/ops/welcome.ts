import type { Hono } from 'hono';
import { asTyped } from '../../lib/package-folder.ts';
import { productVersion } from '../../lib/version.ts';
import { json } from '../answer.ts';
import { contentSecurityPolicy } from '../server-response.ts';

/** Where to go from here. Relative, so that the links hold behind a proxy. */
const places = {
  graphql: { path: 'graphql', text: 'GraphQL; in a browser GraphiQL, to try it' },
  docs: { path: 'docs', text: 'REST, to read and try' },
  openapi: { path: 'openapi.json', text: 'REST for machines (OpenAPI 3.1)' },
  health: { path: 'healthz', text: 'whether the process lives' },
  readiness: { path: 'readyz', text: 'whether it can serve' },
  metrics: { path: 'metrics', text: 'its counts, for Prometheus' },
} as const;

/** Without GraphiQL, a browser has nothing to open at the endpoint. */
const withoutGraphiql = '<li>/graphql: GraphQL';

/** `/` says what this server is and where to go: a page for browsers, JSON for everybody else. */
export function addWelcome(app: Hono, showsGraphiql: boolean): void {
  const version = productVersion();
  const links = Object.values(places).map((place) =>
    place === places.graphql && !showsGraphiql
      ? withoutGraphiql
      : `<li><a href="${place.path}">/${place.path}</a>: ${place.text}`,
  );
  const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Synclog</title>
<link rel="icon" href="data:,">
<h1>Synclog ${version}</h1>
<p>A durable, live log of wearable-data syncs. Data needs a credential: <code>${asTyped('npm run api-key')}</code> makes an API key, and
README.md tells the rest.
<ul>
${links.join('\n')}
</ul>
`;
  const paths = Object.fromEntries(Object.entries(places).map(([name, { path }]) => [name, path]));
  const text = JSON.stringify({ name: 'synclog', version, ...paths });
  app.get('/', ({ req }) =>
    /text\/html/i.test(req.header('accept') ?? '')
      ? new Response(page, { headers: { ...pageHeaders, vary: 'accept' } })
      : json(200, text, { vary: 'accept' }),
  );
}

const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': contentSecurityPolicy({ 'img-src': 'data:' }),
};
