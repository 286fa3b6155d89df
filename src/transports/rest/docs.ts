import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Hono } from 'hono';
import { json } from '../answer.ts';

/** Everything that the page loads. Swagger UI's own files come out of its package. */
const assets = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
} as const;

/** Paths are relative, so that the page works behind a proxy. The key is in the page, which no other page can read. */
const pageWith = (apiKey: string | undefined) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Synclog: REST</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="docs"${apiKey === undefined ? '' : ` data-api-key="${apiKey}"`}></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
`;

const start = `const domNode = document.getElementById('docs');
const { apiKey } = domNode.dataset;
const ui = SwaggerUIBundle({
  url: 'openapi.json',
  domNode,
  deepLinking: true,
  tryItOutEnabled: true,
  onComplete: () => apiKey && ui.preauthorizeApiKey('shortApiKey', apiKey),
});
`;

/** The page sends credentials, so it runs nothing but its own scripts and talks to nobody but this server. */
const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/**
 * `/openapi.json` says what REST offers, and `/docs` is a page to read and try it. For everybody: they show no data.
 * @param apiKey is filled in for whoever opens the page
 */
export function addDocs(app: Hono, description: object, apiKey: string | undefined): void {
  const page = pageWith(apiKey);
  const text = JSON.stringify(description);
  const { resolve } = createRequire(import.meta.url);
  app.get('/openapi.json', () => json(200, text));
  app.get('/docs', () => new Response(page, { headers: pageHeaders }));
  app.get('/docs/start.js', () => new Response(start, { headers: { 'content-type': assets['swagger-ui-bundle.js'] } }));
  for (const [name, type] of Object.entries(assets))
    app.get(`/docs/${name}`, async () => {
      const content = await readFile(resolve(`swagger-ui-dist/${name}`));
      return new Response(content, { headers: { 'content-type': type, 'cache-control': 'max-age=3600' } });
    });
}
