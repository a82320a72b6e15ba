import type { Request, Response } from 'express';
import * as z from 'zod';
import { FileName } from '../../contracts/files/file.ts';
import { KINDS } from '../../contracts/kinds.ts';
import type { UploadRow } from '../../store/files/records.ts';
import type { ApiContext } from '../lib/context.ts';
import { readWaitMs } from '../lib/headers.ts';
import { HttpProblem } from '../lib/problems.ts';
import { type JsonReply, type Route, type TenantCaller, tenantRoute } from '../lib/route.ts';
import { answerStarted, prepareStart, startedResponses } from '../lib/start.ts';
import { readChecksum } from './checksum.ts';
import { LEASE_MS, Receiver } from './receive.ts';
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
    summary: 'Upload a file in one request',
    description:
      'The body is the file, whatever its type; its length need not be known. A request that breaks off leaves nothing: where that would hurt, ' +
      'use the resumable uploads. The answer is the operation that checks the file; `links.resource` is the file.',
    tag: 'Files',
    tokens: true,
    feature: 'files',
    query: CreateQuery,
    streams: { '*/*': { schema: z.string().meta({ format: 'binary', description: 'The file.' }), example: '…' } },
    headers: {
      Prefer: '`wait=N`: answer when the check has ended, at most N seconds later (N ≤ 25).',
      'Upload-Checksum': 'Of the file: sha1, sha256 or crc32, a space, and the digest in base64. Another file is refused.',
    },
    responses: startedResponses('fileProcessing'),
    problems: ['invalid_request', 'payload_too_large', 'quota_exceeded', 'checksum_mismatch'],
    handler: ({ auth, query, now, gone }) =>
      sending(async (request, response) => {
        const operationId = await receiveWhole(parts, { auth, query, request, now });
        const operation = await ctx.store.operations.get(auth.tenantId, operationId);
        if (operation === undefined) throw new Error('the operation that was accepted is gone');
        const asking = { auth, now, gone, idempotency: undefined, waitMs: readWaitMs(request) };
        sendJson(await answerStarted(ctx, { outcome: 'created', operation }, asking), response);
      }),
  });
}

interface Whole {
  readonly auth: TenantCaller;
  readonly query: z.output<typeof CreateQuery>;
  readonly request: Request;
  readonly now: Date;
}

async function receiveWhole({ ctx, hashes }: Parts, { auth, query, request, now }: Whole): Promise<string> {
  const { name, declaredType, start } = describeBody(query, request.headers['content-type']);
  const checksum = readChecksum(request.headers['upload-checksum']);
  const lengthBytes = bodyBytes(request);
  if (lengthBytes !== undefined && lengthBytes > ctx.files.maxBytes) throw tooLarge(ctx);
  const { uploads, removal } = ctx.store.files;
  const upload = await uploads.create({
    ...{ tenantId: auth.tenantId, name, declaredType, lengthBytes, metadata: undefined, actor: auth.actor, now },
    ...(await prepareStart(ctx, { auth, start, now })),
    quotaBytes: ctx.files.quotaBytes,
    expiresAt: new Date(now.getTime() + ctx.files.uploadExpiryMs),
  });
  if (upload === undefined) throw new HttpProblem('quota_exceeded');
  try {
    const lockRequest = { tenantId: auth.tenantId, id: upload.id, offsetBytes: 0, lengthBytes: undefined, leaseMs: LEASE_MS };
    const taken = await uploads.lock({ ...lockRequest, quotaBytes: ctx.files.quotaBytes });
    if (taken.outcome !== 'locked') throw new Error(`a new upload is ${taken.outcome}`);
    const order = { auth, upload: taken.upload satisfies UploadRow, lock: taken.lock, request, checksum, isAllOrNothing: true };
    const released = await new Receiver(ctx, hashes, order).run();
    if (released.outcome !== 'complete') throw new HttpProblem('malformed_request', 'The body broke off. Nothing of it was kept.');
    return released.operationId;
  } catch (error) {
    // Nobody knows of it, so nobody will go on with it. What can't be removed now goes when its time is up.
    await removal.remove({ tenantId: auth.tenantId, id: upload.id, actor: auth.actor, now }).catch(() => undefined);
    throw error;
  }
}

function sendJson({ status, body, headers = {} }: JsonReply, response: Response): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.setHeader('Cache-Control', 'no-store');
  response.status(status).json(body);
}
