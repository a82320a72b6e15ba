import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import type { FileBytes, FindBytes } from '../../adapters/file-bytes.ts';
import type { FileRow } from '../../store/files/records.ts';
import { HttpProblem } from '../lib/problems.ts';
import type { RawReply } from '../lib/route.ts';
import { type Range, readRanges } from './ranges.ts';
import { sourceProblem } from './source-problem.ts';

/** Headers that speak of the content, and of no problem. */
const CONTENT_HEADERS = [
  'ETag',
  'Last-Modified',
  'Accept-Ranges',
  'Content-Disposition',
  'Content-Length',
  'Content-Range',
  'Content-Type',
];
/** Whatever it is, it runs nothing in our origin. */
const POLICY = "default-src 'none'; sandbox";

/**
 * The bytes of a file that is ready: as a download whatever browsers make of it, in ranges, and only if it is not what the client has.
 * @throws {HttpProblem} file_not_ready
 */
export function contentOf({ findBytes }: { readonly findBytes: FindBytes }, file: FileRow): RawReply {
  const bytes = file.state === 'ready' ? findBytes(file) : undefined;
  if (bytes === undefined) throw new HttpProblem('file_not_ready', `The file is ${file.state}.`);
  return {
    async send({ request, response }) {
      const sizeBytes = file.size_bytes ?? 0;
      const etag = `"${file.sha256}"`;
      describe(response, file, etag);
      if (matches(request.headers['if-none-match'], etag)) return void response.status(304).end();
      const ranges = isCurrent(request, file, etag) ? readRanges(request.headers.range, sizeBytes) : undefined;
      if (ranges?.length === 0) {
        throw new HttpProblem('range_not_satisfiable', `Bytes in the file: ${sizeBytes}.`, {
          headers: { 'Content-Range': `bytes */${sizeBytes}` },
        });
      }
      const sender = new Sender({ bytes, sizeBytes, mediaType: mediaTypeOf(file) }, { request, response });
      await sender.send(ranges ?? []).catch((error: unknown) => {
        if (!response.headersSent) for (const name of CONTENT_HEADERS) response.removeHeader(name);
        throw sourceProblem(error);
      });
    },
  };
}

function describe(response: Response, file: FileRow, etag: string): void {
  response.setHeader('ETag', etag);
  response.setHeader('Last-Modified', file.created_at.toUTCString());
  response.setHeader('Accept-Ranges', 'bytes');
  response.setHeader('Content-Disposition', dispositionOf(file.name ?? 'file'));
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Content-Security-Policy', POLICY);
  response.setHeader('Cross-Origin-Resource-Policy', 'cross-origin');
  response.setHeader('Cache-Control', 'private, no-cache');
}

function mediaTypeOf({ media_type: type }: FileRow): string {
  return type?.startsWith('text/') === true ? `${type}; charset=utf-8` : (type ?? 'application/octet-stream');
}

/** RFC 6266: a plain name for old clients, the real one in UTF-8 for all others. */
export function dispositionOf(name: string): string {
  const plain = name.normalize('NFC').replaceAll(/[^\x20-\x7e]|["\\%/;]/g, '_');
  const encoded = encodeURIComponent(name.toWellFormed()).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

function matches(header: string | undefined, etag: string): boolean {
  return header !== undefined && (header.trim() === '*' || header.split(',').some((one) => one.trim().replace(/^W\//, '') === etag));
}

/** `If-Range`: ranges of what the client has begun with, else the whole. */
function isCurrent(request: Request, file: FileRow, etag: string): boolean {
  const condition = request.headers['if-range'];
  if (condition === undefined) return true;
  return typeof condition === 'string' && (condition === etag || condition === file.created_at.toUTCString());
}

interface Content {
  readonly bytes: FileBytes;
  readonly sizeBytes: number;
  readonly mediaType: string;
}

class Sender {
  readonly #content: Content;
  readonly #exchange: { readonly request: Request; readonly response: Response };

  constructor(content: Content, exchange: { readonly request: Request; readonly response: Response }) {
    this.#content = content;
    this.#exchange = exchange;
  }

  /** None: the whole. */
  async send(ranges: readonly Range[]): Promise<void> {
    const { sizeBytes, mediaType } = this.#content;
    const [range, second] = ranges;
    if (second !== undefined) return this.#sendParts(ranges);
    const { response } = this.#exchange;
    response.setHeader('Content-Type', mediaType);
    response.statusCode = range === undefined ? 200 : 206;
    const { firstByte, lastByte } = range ?? { firstByte: 0, lastByte: sizeBytes - 1 };
    response.setHeader('Content-Length', String(lastByte - firstByte + 1));
    if (range !== undefined) response.setHeader('Content-Range', `bytes ${firstByte}-${lastByte}/${sizeBytes}`);
    await this.#pipe(() => (sizeBytes === 0 ? Promise.resolve(Readable.from([])) : this.#read({ firstByte, lastByte })));
  }

  /** multipart/byteranges */
  async #sendParts(ranges: readonly Range[]): Promise<void> {
    const { bytes, sizeBytes, mediaType } = this.#content;
    // Parts are opened one by one, when it is too late for a problem.
    if ((await bytes.stat()) === undefined) throw new HttpProblem('not_found');
    const { response } = this.#exchange;
    const boundary = randomUUID();
    const heads = ranges.map(
      ({ firstByte, lastByte }) =>
        `\r\n--${boundary}\r\nContent-Type: ${mediaType}\r\nContent-Range: bytes ${firstByte}-${lastByte}/${sizeBytes}\r\n\r\n`,
    );
    const end = `\r\n--${boundary}--\r\n`;
    const rangeBytes = ranges.reduce((sum, { firstByte, lastByte }) => sum + lastByte - firstByte + 1, 0);
    response.statusCode = 206;
    response.setHeader('Content-Type', `multipart/byteranges; boundary=${boundary}`);
    response.setHeader('Content-Length', String(rangeBytes + Buffer.byteLength([...heads, end].join(''))));
    const read = (range: Range): Promise<Readable> => this.#read(range);
    async function* parts(): AsyncGenerator<Uint8Array> {
      for (const [index, range] of ranges.entries()) {
        yield Buffer.from(heads[index] ?? '');
        yield* await read(range);
      }
      yield Buffer.from(end);
    }
    await this.#pipe(() => Promise.resolve(Readable.from(parts(), { objectMode: false })));
  }

  async #pipe(open: () => Promise<Readable>): Promise<void> {
    const { request, response } = this.#exchange;
    if (request.method === 'HEAD') {
      if ((await this.#content.bytes.stat()) === undefined) throw new HttpProblem('not_found');
      return void response.end();
    }
    const body = await open();
    // A client that goes away is no fault.
    await pipeline(body, response).catch((error: unknown) => {
      if (!response.destroyed) throw error;
    });
  }

  async #read(range: Range): Promise<Readable> {
    const opened = await this.#content.bytes.read(range);
    if (opened === undefined) throw new HttpProblem('not_found');
    return opened.body;
  }
}
