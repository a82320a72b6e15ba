import { createHash } from 'node:crypto';
import type { Request, Response } from 'express';
import * as z from 'zod';
import { FileName } from '../../contracts/files/file.ts';
import { FileSource } from '../../contracts/files/source.ts';
import { KINDS } from '../../contracts/kinds.ts';
import type { UploadRow } from '../../store/files/records.ts';
import type { OperationRow } from '../../store/operations.ts';
import type { ApiContext } from '../lib/context.ts';
import { readWaitMs } from '../lib/headers.ts';
import { HttpProblem } from '../lib/problems.ts';
import { type Idempotency, type JsonReply, type Route, type TenantCaller, tenantRoute } from '../lib/route.ts';
import { answerStarted, prepareStart, startedResponses } from '../lib/start.ts';
import { type Checksum, readChecksum } from './checksum.ts';
import { LEASE_MS, Receiver } from './receive.ts';
import { namesSource, registerSource } from './register.ts';
import type { RunningHashes } from './running-hashes.ts';
import { describeBody } from './upload-headers.ts';
import { bodyBytes, sending, tooLarge } from './upload-requests.ts';

const kind = KINDS.fileProcessing;

const CreateQuery = z.object({
  name: FileName.optional(),
  start: z.string().max(8_192).optional().meta({ description: 'The common start fields as JSON.', example: '{"tags":["import"]}' }),
});

interface Parts {
  readonly ctx: ApiContext;
  readonly hashes: RunningHashes;
}

/** One request, one file: for programs on good lines. */
export function createFileRoute(parts: Parts): Route {
  const { ctx } = parts;
  return tenantRoute([kind.scopes.start], {
    method: 'post',
    path: '/v1/files',
    operationId: 'createFile',
    summary: 'Upload a file in one request, or register an object',
    description:
      'The body is the file, whatever its type; its length need not be known. A request that breaks off leaves nothing: where that would hurt, ' +
      'use the resumable uploads. With an `Idempotency-Key` the same file is stored once, however often it is sent. The answer is the operation that checks the file; `links.resource` is the file.\n\n' +
      'A body of type `application/json`, without `name` or `start` in the query, names an object of S3 instead, which then is the file where it is, in the ' +
      'version that is there now: nothing is copied, and once the object is another one its bytes are refused. For keys only; the setting ' +
      'FILE_SOURCES says what objects a tenant may name. (With `name` such a body is a file like any other.)',
    tag: 'Files',
    tokens: true,
    feature: 'files',
    query: CreateQuery,
    streams: {
      'application/json': { schema: FileSource, example: { source: 's3://acme-inbox/2026/orders.csv', tags: ['import'] } },
      '*/*': { schema: z.string().meta({ format: 'binary', description: 'The file.' }), example: '…' },
    },
    headers: {
      Prefer: '`wait=N`: answer when the check has ended, at most N seconds later (N ≤ 25).',
      'Upload-Checksum': 'Of the file: sha1, sha256 or crc32, a space, and the digest in base64. Another file is refused.',
    },
    idempotent: true,
    identifyingHeaders: ['content-type'],
    responses: startedResponses('fileProcessing'),
    problems: [
      ...([
        'invalid_request',
        'malformed_json',
        'payload_too_large',
        'quota_exceeded',
        'checksum_mismatch',
        'upload_locked',
        'upload_gone',
      ] as const),
      ...(['key_required', 'source_not_allowed', 'source_unreadable', 'source_unavailable'] as const),
    ],
    handler: ({ auth, query, now, gone, idempotency }) =>
      sending(async (request, response) => {
        const asked = { auth, request, now, gone, idempotency };
        const accepted = namesSource(request, query) ? await registerSource(ctx, asked) : await receiveWhole(parts, { ...asked, query });
        sendJson(await answerStarted(ctx, accepted, { ...asked, waitMs: readWaitMs(request) }), response);
      }),
  });
}

interface Whole {
  readonly auth: TenantCaller;
  readonly query: z.output<typeof CreateQuery>;
  readonly request: Request;
  readonly now: Date;
  readonly idempotency: Idempotency | undefined;
}

interface ReceivedWhole {
  readonly outcome: 'created' | 'replayed';
  /** Which checks it. */
  readonly operation: OperationRow;
}

async function receiveWhole(parts: Parts, whole: Whole): Promise<ReceivedWhole> {
  const { outcome, operationId } = await receive(parts, whole);
  const operation = await parts.ctx.store.operations.get(whole.auth.tenantId, operationId);
  if (operation === undefined) throw new Error('the operation that was accepted is gone');
  return { outcome, operation };
}

async function receive(parts: Parts, { auth, query, request, now, idempotency }: Whole) {
  const { ctx } = parts;
  const { name, declaredType, start } = describeBody(query, request.headers['content-type']);
  const checksum = readChecksum(request.headers['upload-checksum']);
  const lengthBytes = bodyBytes(request);
  if (lengthBytes !== undefined && lengthBytes > ctx.files.maxBytes) throw tooLarge(ctx);
  const { uploads, removal } = ctx.store.files;
  const created = await uploads.create({
    ...{ tenantId: auth.tenantId, name, declaredType, lengthBytes, metadata: undefined, actor: auth.actor, now },
    ...(await prepareStart(ctx, { auth, start, now })),
    ...{ idempotency, isOneRequest: true, quotaBytes: ctx.files.quotaBytes },
    expiresAt: new Date(now.getTime() + ctx.files.uploadExpiryMs),
  });
  if (created.outcome === 'replayed')
    return { outcome: 'replayed' as const, operationId: await sameFile(ctx, { auth, id: created.id, request }) };
  if (created.outcome !== 'created') throw notCreated(created.outcome);
  const { upload, abandoned } = created;
  if (abandoned !== undefined) await removal.remove({ tenantId: auth.tenantId, id: abandoned, actor: auth.actor, now });
  return { outcome: 'created' as const, operationId: await receiveBody(parts, { auth, upload, request, now, checksum }) };
}

interface NewBody extends Pick<Whole, 'auth' | 'request' | 'now'> {
  readonly upload: UploadRow;
  readonly checksum: Checksum | undefined;
}

/** The whole file, or nothing of it. Answers with the operation that checks it. */
async function receiveBody({ ctx, hashes }: Parts, { auth, upload, request, now, checksum }: NewBody): Promise<string> {
  const { uploads, removal } = ctx.store.files;
  try {
    const lockRequest = { tenantId: auth.tenantId, id: upload.id, offsetBytes: 0, lengthBytes: undefined, leaseMs: LEASE_MS };
    const taken = await uploads.lock({ ...lockRequest, quotaBytes: ctx.files.quotaBytes });
    if (taken.outcome !== 'locked') throw new Error(`a new upload is ${taken.outcome}`);
    const order = { auth, upload: taken.upload satisfies UploadRow, lock: taken.lock, isLengthNew: false };
    const released = await new Receiver(ctx, hashes, { ...order, request, checksum, isAllOrNothing: true }).run();
    if (released.outcome !== 'complete') throw new HttpProblem('malformed_request', 'The body broke off. Nothing of it was kept.');
    return released.operationId;
  } catch (error) {
    // Nobody knows of it, so nobody will go on with it. What can't be removed now goes when its time is up.
    await removal.remove({ tenantId: auth.tenantId, id: upload.id, actor: auth.actor, now }).catch(() => undefined);
    throw error;
  }
}

interface Same extends Pick<Whole, 'auth' | 'request'> {
  readonly id: string;
}

/**
 * A request with a key that was used before: it must have brought the same file. Answers with the operation that checks it.
 * @throws {HttpProblem} idempotency_key_reused
 */
async function sameFile(ctx: ApiContext, { auth, id, request }: Same): Promise<string> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > ctx.files.maxBytes) throw tooLarge(ctx);
    hash.update(chunk);
  }
  const file = await ctx.store.files.get(auth.tenantId, id);
  const sha256 = file?.sha256 ?? (await ctx.store.files.uploads.get(auth.tenantId, id))?.sha256 ?? undefined;
  const isSame = file?.size_bytes === sizeBytes && (sha256 === undefined || sha256 === hash.digest('hex'));
  if (!isSame || file.operation_id === null)
    throw new HttpProblem('idempotency_key_reused', 'The first request with this key brought another file.');
  return file.operation_id;
}

/** Why there is no upload. */
export function notCreated(outcome: 'busy' | 'mismatch' | 'quota_exceeded'): HttpProblem {
  switch (outcome) {
    case 'busy':
      return new HttpProblem('upload_locked', 'The first request with this Idempotency-Key is still being received.', {
        headers: { 'Retry-After': '1' },
      });
    case 'mismatch':
      return new HttpProblem('idempotency_key_reused');
    case 'quota_exceeded':
      return new HttpProblem('quota_exceeded');
  }
}

function sendJson({ status, body, headers = {} }: JsonReply, response: Response): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.setHeader('Cache-Control', 'no-store');
  response.status(status).json(body);
}
