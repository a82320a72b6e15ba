import type { Express, Request, Response } from 'express';
import { escapeHtml } from '../../contracts/pure/html.ts';
import { keepRoute } from './observe.ts';
import { HttpProblem } from './problems.ts';

const PAGE_METHODS = 'GET, HEAD, OPTIONS';

/** Pages of ours load from our own origin and talk to it only. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

export interface PageContent {
  readonly title: string;
  /** HTML between header and end of the body. */
  readonly body: string;
  readonly head?: string;
  readonly status?: number;
}

export function sendPage(response: Response, { title, body, head = '', status = 200 }: PageContent): void {
  response.statusCode = status;
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  response.setHeader('Content-Security-Policy', PAGE_POLICY);
  response.setHeader('Cache-Control', 'no-cache');
  response.end(
    `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">` +
      `<title>${escapeHtml(title)}</title>${head}</head><body>${body}</body></html>\n`,
  );
}

/** Pages are the same for everybody, so they know nobody. */
export function mountPage(app: Express, path: string, send: (request: Request, response: Response) => void): void {
  app.all(path, (request: Request, response: Response) => {
    keepRoute(response, path);
    if (request.method === 'OPTIONS') return void response.setHeader('Allow', PAGE_METHODS).status(204).end();
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      throw new HttpProblem('method_not_allowed', `${request.path} takes ${PAGE_METHODS}.`, { headers: { Allow: PAGE_METHODS } });
    }
    return send(request, response);
  });
}
