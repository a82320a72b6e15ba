import type { Request, Response } from 'express';
import type { UploadRow } from '../../store/files/records.ts';
import type { ApiContext } from '../lib/context.ts';
import { discard } from '../lib/json.ts';
import { HttpProblem } from '../lib/problems.ts';
import type { RawReply } from '../lib/route.ts';
import { badHeader, readCount } from './upload-headers.ts';

export const BODY_TYPE = 'application/offset+octet-stream';

/** `Upload-Length`, or undefined where it is deferred. @throws {HttpProblem} */
export function readLength(ctx: ApiContext, request: Request): number | undefined {
  const lengthBytes = readCount(request.headers, 'upload-length');
  const defer = request.headers['upload-defer-length'];
  if (defer !== undefined && defer !== '1') throw badHeader('upload-defer-length', 'must be 1');
  if ((lengthBytes === undefined) === (defer === undefined))
    throw badHeader('upload-length', 'or Upload-Defer-Length is required, not both');
  if (lengthBytes !== undefined && lengthBytes > ctx.files.maxBytes) throw tooLarge(ctx);
  return lengthBytes;
}

export interface Fitting {
  readonly request: Request;
  readonly offsetBytes: number;
  readonly lengthBytes: number | undefined;
}

/** Said before the first byte is read, where the request tells how many there are. */
export function requireFits(ctx: ApiContext, { request, offsetBytes, lengthBytes = ctx.files.maxBytes }: Fitting): void {
  if (lengthBytes > ctx.files.maxBytes || offsetBytes + (bodyBytes(request) ?? 0) > lengthBytes) throw tooLarge(ctx);
}

/** With the limit that holds. */
export function tooLarge({ files }: ApiContext): HttpProblem {
  return new HttpProblem('payload_too_large', `A file may have ${files.maxBytes} bytes, and an upload no more than it was begun with.`, {
    headers: { 'Tus-Max-Size': String(files.maxBytes) },
  });
}

/** @throws {HttpProblem} unsupported_media_type */
export function requireBodyType(request: Request): void {
  if (request.headers['content-type'] !== BODY_TYPE)
    throw new HttpProblem('unsupported_media_type', `The body must be sent as \`Content-Type: ${BODY_TYPE}\`.`);
}

/** Undefined while nobody knows. */
export function bodyBytes(request: Request): number | undefined {
  if (request.headers['transfer-encoding'] !== undefined) return undefined;
  return Number(request.headers['content-length'] ?? 0);
}

/** How far it is, and until when it is kept. */
export function answerOffset(response: Response, upload: UploadRow, status: number): void {
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('Upload-Offset', String(upload.offset_bytes));
  if (upload.state === 'open') response.setHeader('Upload-Expires', upload.expires_at.toUTCString());
  response.status(status).end();
}

/** A refused body is still read for a while, so that the client gets the answer rather than a reset. */
export function sending(work: (request: Request, response: Response) => Promise<void>): RawReply {
  return {
    async send({ request, response }) {
      try {
        await work(request, response);
      } catch (error) {
        if (!request.complete && !request.destroyed) {
          response.setHeader('Connection', 'close');
          discard(request);
        }
        throw error;
      }
    },
  };
}
