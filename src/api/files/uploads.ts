import type { Request, Response } from 'express';
import * as z from 'zod';
import { KINDS } from '../../contracts/kinds.ts';
import { UuidParams } from '../../contracts/routes.ts';
import type { UploadRow } from '../../store/files/records.ts';
import type { ApiContext } from '../lib/context.ts';
import { HttpProblem } from '../lib/problems.ts';
import { type Idempotency, type Route, type TenantCaller, tenantRoute } from '../lib/route.ts';
import { prepareStart } from '../lib/start.ts';
import { CHECKSUM_ALGORITHMS, readChecksum } from './checksum.ts';
import { receiveBody, type ReceivingParts as Parts } from './receive-upload.ts';
import { requireSeen, whenFree } from './upload-access.ts';
import { answerOffset, BODY_TYPE, bodyBytes, readLength, requireBodyType, requireFits, sending } from './upload-requests.ts';
import { notCreated } from './create.ts';
import { badHeader, readCount, readMetadata, requireTus, TUS_VERSION } from './upload-headers.ts';

const TAG = 'Files';
const EXTENSIONS = 'creation,creation-with-upload,creation-defer-length,checksum,expiration,termination';
const BYTES = z.string().meta({ format: 'binary', description: 'Bytes of the file.' });
const { scopes } = KINDS.fileProcessing;
const REFUSES_BODY: ReadonlySet<string> = new Set(['checksum_mismatch', 'payload_too_large', 'quota_exceeded']);

/** tus 1.0 (https://tus.io/protocols/resumable-upload): uploads that go on where they broke off. */
export function uploadRoutes(parts: Parts): Route[] {
  const answers = {
    answerHeaders: { 'Tus-Resumable': TUS_VERSION },
    optionsHeaders: {
      'Tus-Version': TUS_VERSION,
      'Tus-Extension': EXTENSIONS,
      'Tus-Max-Size': String(parts.ctx.files.maxBytes),
      'Tus-Checksum-Algorithm': CHECKSUM_ALGORITHMS.join(','),
    },
    methodOverride: true,
  };
  return [createRoute(parts), offsetRoute(parts), appendRoute(parts), terminateRoute(parts)].map((route) => ({ ...route, ...answers }));
}

const TUS_HEADERS = { 'Tus-Resumable': `\`${TUS_VERSION}\`.` };
const OFFSET_HEADERS = { 'Upload-Offset': 'Bytes that are safe.', 'Upload-Expires': 'When it is given up unless more comes.' };

function createRoute({ ctx, hashes }: Parts): Route {
  return tenantRoute([scopes.start], {
    method: 'post',
    path: '/v1/uploads',
    operationId: 'createUpload',
    summary: 'Begin an upload (tus)',
    description:
      'By the protocol tus 1.0 with `creation`, `creation-with-upload`, `creation-defer-length`, `checksum`, `expiration` and `termination`: any ' +
      'tus client works. `Upload-Metadata` may hold `filename`, `filetype` and `start`, the common start fields as JSON. The file has the id of the upload.',
    tag: TAG,
    tokens: true,
    feature: 'files',
    streams: { [BODY_TYPE]: { schema: BYTES, example: '…' } },
    headers: {
      ...TUS_HEADERS,
      'Upload-Length': 'Bytes of the whole file.',
      'Upload-Defer-Length': '`1`: the length is not known yet.',
      'Upload-Metadata': 'Names, each with a value in base64, and commas between.',
      'Upload-Checksum': `Of the body: ${CHECKSUM_ALGORITHMS.join(', ')}.`,
    },
    idempotent: true,
    identifyingHeaders: ['upload-length', 'upload-defer-length', 'upload-metadata'],
    responses: {
      201: {
        description: 'Begun; with a body, its bytes are safe.',
        headers: {
          Location: 'Where to send bytes to.',
          ...OFFSET_HEADERS,
          'Idempotency-Replayed':
            '`true`: it was begun before by the same request, and stands where `Upload-Offset` says. A body is not taken.',
        },
      },
    },
    problems: [
      'invalid_request',
      'tus_version_unsupported',
      'payload_too_large',
      'quota_exceeded',
      'unsupported_media_type',
      'checksum_mismatch',
      'upload_gone',
    ],
    handler: ({ auth, now, idempotency }) =>
      sending((request, response) => createUpload({ ctx, hashes }, { auth, now, idempotency, request, response })),
  });
}

interface Creating {
  readonly auth: TenantCaller;
  readonly now: Date;
  readonly idempotency: Idempotency | undefined;
  readonly request: Request;
  readonly response: Response;
}

async function createUpload(parts: Parts, { auth, now, idempotency, request, response }: Creating): Promise<void> {
  const { ctx } = parts;
  requireTus(request.headers);
  const lengthBytes = readLength(ctx, request);
  const { name, declaredType, start, text } = readMetadata(request.headers);
  const checksum = readChecksum(request.headers['upload-checksum']);
  const hasBody = bodyBytes(request) !== 0;
  if (hasBody) requireBodyType(request);
  requireFits(ctx, { request, offsetBytes: 0, lengthBytes });
  const created = await ctx.store.files.uploads.create({
    ...{ tenantId: auth.tenantId, name, declaredType, lengthBytes, metadata: text, actor: auth.actor, now },
    ...(await prepareStart(ctx, { auth, start, now })),
    ...{ idempotency, isOneRequest: false, quotaBytes: ctx.files.quotaBytes },
    expiresAt: new Date(now.getTime() + ctx.files.uploadExpiryMs),
  });
  if (created.outcome === 'replayed') return answerAgain(ctx, { auth, id: created.id, response });
  if (created.outcome !== 'created') throw notCreated(created.outcome);
  const { upload } = created;
  response.setHeader('Location', `/v1/uploads/${upload.id}`);
  const isAlreadyWhole = lengthBytes === 0;
  const latest =
    hasBody || isAlreadyWhole ? await receiveFirst(parts, { auth, now, idempotency, upload, request, response, checksum }) : upload;
  answerOffset(response, latest, 201);
}

interface First extends Creating {
  readonly upload: UploadRow;
  readonly checksum: ReturnType<typeof readChecksum>;
}

/** The body that comes with the creation. Where it is refused, there is no upload either, unless the client has a key to come back to it with. */
async function receiveFirst(parts: Parts, { auth, now, idempotency, upload, request, response, checksum }: First): Promise<UploadRow> {
  try {
    return await receiveBody(parts, { auth, upload, request, checksum });
  } catch (error) {
    if (idempotency === undefined && error instanceof HttpProblem && REFUSES_BODY.has(error.code)) {
      response.removeHeader('Location');
      const removal = { tenantId: auth.tenantId, id: upload.id, actor: auth.actor, now };
      // What can't be removed now goes when its time is up.
      await parts.ctx.store.files.removal.remove(removal).catch(() => undefined);
    }
    throw error;
  }
}

interface Again {
  readonly auth: TenantCaller;
  readonly id: string;
  readonly response: Response;
}

/** What was begun by an earlier request with the same key, as it stands now. Its body is not needed: the client goes on from the offset. */
async function answerAgain(ctx: ApiContext, { auth, id, response }: Again): Promise<void> {
  await requireSeen(ctx, auth, id);
  const upload = await ctx.store.files.uploads.get(auth.tenantId, id);
  if (upload === undefined || upload.state === 'expired' || upload.state === 'terminated') throw new HttpProblem('upload_gone');
  response.setHeader('Location', `/v1/uploads/${id}`);
  response.setHeader('Idempotency-Replayed', 'true');
  answerOffset(response, upload, 201);
}

function offsetRoute({ ctx }: Parts): Route {
  return tenantRoute([scopes.start], {
    method: 'head',
    path: '/v1/uploads/{id}',
    operationId: 'getUploadOffset',
    summary: 'Ask where an upload stands (tus)',
    description: 'A request that still writes to it is asked to stop, since whoever asks wants to go on.',
    tag: TAG,
    tokens: true,
    feature: 'files',
    params: UuidParams,
    headers: TUS_HEADERS,
    responses: {
      200: { description: 'It can go on here.', headers: { ...OFFSET_HEADERS, 'Upload-Length': 'Bytes of the whole, when known.' } },
    },
    problems: ['not_found', 'tus_version_unsupported', 'upload_gone'],
    handler: ({ auth, params, gone }) =>
      sending(async (request, response) => {
        requireTus(request.headers);
        await requireSeen(ctx, auth, params.id);
        const upload = await whenFree(ctx, { tenantId: auth.tenantId, id: params.id, gone });
        if (upload.state === 'expired' || upload.state === 'terminated') throw new HttpProblem('upload_gone');
        if (upload.length_bytes === null) response.setHeader('Upload-Defer-Length', '1');
        else response.setHeader('Upload-Length', String(upload.length_bytes));
        if (upload.metadata !== null) response.setHeader('Upload-Metadata', upload.metadata);
        answerOffset(response, upload, 200);
      }),
  });
}

function appendRoute({ ctx, hashes }: Parts): Route {
  return tenantRoute([scopes.start], {
    method: 'patch',
    path: '/v1/uploads/{id}',
    operationId: 'appendToUpload',
    summary: 'Send bytes of an upload (tus)',
    description:
      'One request at a time, over all processes. Bytes are on disk before they are acknowledged; those of a request that breaks off are kept, unless it had a checksum.',
    tag: TAG,
    tokens: true,
    feature: 'files',
    params: UuidParams,
    streams: { [BODY_TYPE]: { schema: BYTES, example: '…' } },
    headers: {
      ...TUS_HEADERS,
      'Upload-Offset': 'Where the body belongs.',
      'Upload-Length': 'Once, when it was deferred.',
      'Upload-Checksum': `Of the body: ${CHECKSUM_ALGORITHMS.join(', ')}.`,
    },
    responses: { 204: { description: 'The bytes are safe. After the last one the file is checked.', headers: OFFSET_HEADERS } },
    problems: [
      'not_found',
      'invalid_request',
      'tus_version_unsupported',
      'upload_offset_mismatch',
      'upload_gone',
      'upload_locked',
      'payload_too_large',
      'quota_exceeded',
      'unsupported_media_type',
      'checksum_mismatch',
    ],
    handler: ({ auth, params }) =>
      sending(async (request, response) => {
        requireTus(request.headers);
        requireBodyType(request);
        const offsetBytes = readCount(request.headers, 'upload-offset');
        if (offsetBytes === undefined) throw badHeader('upload-offset', 'is required');
        const lengthBytes = readCount(request.headers, 'upload-length');
        const checksum = readChecksum(request.headers['upload-checksum']);
        requireFits(ctx, { request, offsetBytes, lengthBytes });
        await requireSeen(ctx, auth, params.id);
        const upload = await receiveBody(
          { ctx, hashes },
          { auth, upload: { id: params.id, offset_bytes: offsetBytes }, lengthBytes, request, checksum },
        );
        answerOffset(response, upload, 204);
      }),
  });
}

function terminateRoute({ ctx }: Parts): Route {
  return tenantRoute([scopes.start], {
    method: 'delete',
    path: '/v1/uploads/{id}',
    operationId: 'terminateUpload',
    summary: 'Give an upload up (tus)',
    description: 'Its bytes are removed, and its file is gone.',
    tag: TAG,
    tokens: true,
    feature: 'files',
    params: UuidParams,
    headers: TUS_HEADERS,
    responses: { 204: { description: 'Gone.' } },
    problems: ['not_found', 'tus_version_unsupported', 'upload_gone'],
    handler: ({ auth, params, now }) =>
      sending(async (request, response) => {
        requireTus(request.headers);
        await requireSeen(ctx, auth, params.id);
        const removed = await ctx.store.files.removal.remove({ tenantId: auth.tenantId, id: params.id, actor: auth.actor, now });
        if (!removed) throw new HttpProblem('upload_gone');
        response.status(204).end();
      }),
  });
}
