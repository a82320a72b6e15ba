import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Express, Request, Response } from 'express';
import { PROBLEMS, isProblemCode } from '../../contracts/problems.ts';
import { escapeHtml } from '../../contracts/pure/html.ts';
import { mountPage, sendPage } from './html.ts';
import { HttpProblem } from './problems.ts';

const UI_FOLDER = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
const UI_FILES: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
};
const UI_MAX_AGE_MS = 86_400_000;

/** A file of its own, since the page's policy allows no script in the page. Nothing is asked of any other server. */
const START_SCRIPT = `window.ui = SwaggerUIBundle({
  url: '/openapi.json', dom_id: '#reference', deepLinking: true, validatorUrl: null, tryItOutEnabled: false,
  persistAuthorization: false, displayRequestDuration: true, docExpansion: 'list', defaultModelsExpandDepth: 0,
});
`;

const STYLE = `:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem }
code { font-family: ui-monospace, monospace; background: rgb(127 127 127 / 15%); padding: 0.1em 0.3em; border-radius: 4px }
h1 { font-size: 1.5rem } dt { font-weight: 600; margin-top: 1rem } dd { margin: 0 } .status { opacity: 0.7 }
table { border-collapse: collapse } td, th { text-align: left; padding: 0.3rem 1rem 0.3rem 0; vertical-align: top }
`;

const INDEX = [
  ['/docs', 'reference of the API, to try it out'],
  ['/openapi.json', 'the same for programs, OpenAPI 3.1'],
  ['/problems', 'every problem that the API answers with, and what to do'],
  ['/readyz', 'whether requests are taken'],
  ['/version', 'version, and the features that are on'],
] as const;

/** The reference at /docs, the document it shows, and a page for each problem. */
export function mountDocs(app: Express, document: object): void {
  const text = JSON.stringify(document);
  mountPage(app, '/', sendIndex);
  mountPage(app, '/openapi.json', (_request, response) => {
    response.setHeader('Cache-Control', 'no-cache');
    response.type('application/json').send(text);
  });
  mountPage(app, '/docs', (_request, response) =>
    sendPage(response, {
      title: 'Nightshift API',
      head: '<link rel="icon" href="/docs/favicon-32x32.png"><link rel="stylesheet" href="/docs/swagger-ui.css">',
      body: '<div id="reference"></div><script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script>',
    }),
  );
  mountPage(app, '/docs/start.js', (_request, response) => void response.type('text/javascript').send(START_SCRIPT));
  mountPage(app, '/docs/style.css', (_request, response) => void response.type('text/css').send(STYLE));
  mountPage(app, '/docs/:file', (request, response) => {
    const file = String(request.params['file']);
    const type = Object.hasOwn(UI_FILES, file) ? UI_FILES[file] : undefined;
    if (type === undefined) throw new HttpProblem('route_not_found');
    response.setHeader('Content-Type', type);
    response.sendFile(join(UI_FOLDER, file), { maxAge: UI_MAX_AGE_MS, dotfiles: 'allow' });
  });
  mountPage(app, '/problems', (_request, response) => sendProblemList(response));
  mountPage(app, '/problems/:code', (request, response) => sendProblemPage(String(request.params['code']), response));
}

/** Where to go from here: for people a page, for programs JSON. */
function sendIndex(request: Request, response: Response): void {
  response.vary('Accept');
  if (request.accepts(['json', 'html']) !== 'html') {
    response.setHeader('Cache-Control', 'no-cache');
    response.json({ name: 'nightshift', links: Object.fromEntries(INDEX.map(([path]) => [path.slice(1).replace('.json', ''), path])) });
    return;
  }
  const rows = INDEX.map(([path, what]) => `<dt><a href="${path}">${path}</a></dt><dd>${what}</dd>`);
  sendPage(response, {
    title: 'Nightshift',
    head: '<link rel="stylesheet" href="/docs/style.css">',
    body: `<h1>Nightshift</h1><p>Runs the work that an application must not make its users wait for.</p><dl>${rows.join('')}</dl>`,
  });
}

function sendProblemList(response: Response): void {
  const rows = Object.entries(PROBLEMS).map(
    ([code, { status, title }]) =>
      `<tr><td>${status}</td><td><a href="/problems/${code}"><code>${code}</code></a></td><td>${escapeHtml(title)}</td></tr>`,
  );
  sendPage(response, {
    title: 'Problems',
    head: '<link rel="stylesheet" href="/docs/style.css">',
    body: `<h1>Problems</h1><table><tr><th>Status</th><th>Code</th><th>What happened</th></tr>${rows.join('')}</table>`,
  });
}

function sendProblemPage(code: string, response: Response): void {
  if (!isProblemCode(code)) throw new HttpProblem('route_not_found');
  const { status, title, why, fix, retryable } = PROBLEMS[code];
  const body = [
    `<p class="status"><a href="/problems">Problems</a> · ${status} · <code>${code}</code></p><h1>${escapeHtml(title)}</h1><dl>`,
    `<dt>Why</dt><dd>${prose(why)}</dd><dt>What to do</dt><dd>${prose(fix)}</dd>`,
    `<dt>Does repeating help?</dt><dd>${retryable ? 'Yes, later, without a change.' : 'Not without a change.'}</dd></dl>`,
  ].join('');
  sendPage(response, { title, head: '<link rel="stylesheet" href="/docs/style.css">', body });
}

function prose(text: string): string {
  return escapeHtml(text).replaceAll(/`([^`]+)`/g, '<code>$1</code>');
}
