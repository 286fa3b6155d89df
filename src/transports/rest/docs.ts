import { readFile } from 'node:fs/promises';
import type { Hono } from 'hono';
import { fileOfPackage } from '../../lib/package-folder.ts';
import { addGet } from '../add-get.ts';
import { CompressedText } from '../compressed.ts';
import { contentSecurityPolicy } from '../server-response.ts';

/** Everything that the page loads. Swagger UI's own files come out of its package. */
const assets = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
} as const;

/**
 * What the page loads stands beside it: by relative paths, so that it works behind a proxy's prefix and with a slash. The key
 * is in the page, which no other page can read.
 */
const pageWith = (apiKey: string | undefined, folder: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Synclog: REST</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${folder}swagger-ui.css">
</head>
<body>
<div id="docs"${apiKey === undefined ? '' : ` data-api-key="${apiKey}"`}></div>
<script src="${folder}swagger-ui-bundle.js"></script>
<script src="${folder}start.js"></script>
</body>
</html>
`;

const start = `const domNode = document.getElementById('docs');
const { apiKey } = domNode.dataset;
const ui = SwaggerUIBundle({
  url: new URL('../openapi.json', document.currentScript.src).href,
  domNode,
  deepLinking: true,
  tryItOutEnabled: true,
  onComplete: () => apiKey && ui.preauthorizeApiKey('shortApiKey', apiKey),
});
`;

/** The page sends credentials, so it runs nothing but its own scripts and talks to nobody but this server. */
const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': contentSecurityPolicy({
    'script-src': "'self'",
    'style-src': "'self' 'unsafe-inline'",
    'img-src': "'self' data:",
    'connect-src': "'self'",
  }),
};

/**
 * `/openapi.json` says what REST offers, and `/docs` is a page to read and try it. For everybody: they show no data.
 * @param apiKey is filled in for whoever opens the page
 */
export function addDocs(app: Hono, description: object, apiKey: string | undefined): void {
  const pages = { '/docs': pageWith(apiKey, 'docs/'), '/docs/': pageWith(apiKey, '') };
  addText(app, '/openapi.json', () => JSON.stringify(description), { 'content-type': 'application/json' });
  addText(app, '/docs', (path) => pages[path === '/docs' ? '/docs' : '/docs/'], pageHeaders);
  addText(app, '/docs/start.js', () => start, { 'content-type': assets['swagger-ui-bundle.js'] });
  for (const [name, type] of Object.entries(assets))
    addText(app, `/docs/${name}`, () => readFile(fileOfPackage(`swagger-ui-dist/${name}`)), { 'content-type': type });
}

/** Answers with a text that is made when somebody first asks for it, and then kept. */
function addText(
  app: Hono,
  path: string,
  make: (path: string) => string | Promise<Buffer>,
  headers: Readonly<Record<string, string>>,
): void {
  const made = new Map<string, Promise<CompressedText>>();
  const textAt = async (at: string) => new CompressedText(await make(at), headers);
  addGet(app, path, async ({ req }) => {
    const text = made.get(req.path) ?? textAt(req.path);
    made.set(req.path, text);
    text.catch(() => made.delete(req.path));
    const { body, ...answer } = await (await text).answer({
      acceptEncoding: req.header('accept-encoding'),
      ifNoneMatch: req.header('if-none-match'),
    });
    return new Response(body, answer);
  });
}
