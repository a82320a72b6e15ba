import { randomUUID } from 'node:crypto';
import { type Server, createServer } from 'node:http';
import type { Socket } from 'node:net';
import type { Express } from 'express';
import { PROBLEMS, type ProblemCode } from '../../contracts/problems.ts';
import { HttpProblem, problemBody } from './problems.ts';

const MAX_HEADER_BYTES = 16 * 1024;
const HEADERS_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_TIMEOUT_MS = 65_000;

/** What Node's parser says of requests that it can't read; anything else is a malformed request. */
const PARSER_PROBLEMS: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'payload_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

/** The server around the app, with time limits, and with a problem answer for what is no request at all. */
export function createHttpServer(app: Express, publicUrl: string): Server {
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS, requireHostHeader: false }, app);
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  // Files take as long as they take: routes that read other bodies have a limit of their own.
  server.requestTimeout = 0;
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
    socket.end(rawProblem(PARSER_PROBLEMS[error.code ?? ''] ?? 'malformed_request', publicUrl));
  });
  return server;
}

function rawProblem(code: ProblemCode, publicUrl: string): string {
  const requestId = randomUUID();
  const body = JSON.stringify(problemBody(new HttpProblem(code), publicUrl, requestId));
  const head = [
    `HTTP/1.1 ${PROBLEMS[code].status} ${code}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
    'Cache-Control: no-store',
    'Connection: close',
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}
