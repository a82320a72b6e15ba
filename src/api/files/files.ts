import * as z from 'zod';
import { parseDuration } from '../../contracts/duration.ts';
import { FileLink, FilePage, FileQuery, NewFileLink, StoredFile } from '../../contracts/files/file.ts';
import { FileLinkParams, type LinkClaim, openLink, signLink, tenantOfLink } from '../../contracts/files/links.ts';
import { KINDS } from '../../contracts/kinds.ts';
import { UuidParams, writeCursor } from '../../contracts/routes.ts';
import type { FileRow } from '../../store/files/records.ts';
import type { ApiContext } from '../lib/context.ts';
import { cutPage, readTimeCursor } from '../lib/pages.ts';
import { HttpProblem } from '../lib/problems.ts';
import { publicRoute, type ResponseSpec, type Route, type TenantCaller, tenantRoute } from '../lib/route.ts';
import { sees, sightOf } from '../lib/visibility.ts';
import { contentOf } from './content.ts';
import { presentFile } from './present-file.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const { scopes } = KINDS.fileProcessing;
const COMMON = { tag: 'Files', feature: 'files', tokens: true } as const;

/** Of a file that was registered where it is. */
const SOURCE_PROBLEMS = ['source_changed', 'source_not_allowed', 'source_unreadable', 'source_unavailable'] as const;

const EXAMPLE: StoredFile = {
  id: '019ab6a0-7c00-7000-8000-000000000001',
  object: 'file',
  createdAt: '2026-11-24T22:00:00.000Z',
  updatedAt: '2026-11-24T22:00:01.000Z',
  state: 'ready',
  name: 'orders.csv',
  declaredType: 'text/csv',
  mediaType: 'text/csv',
  sizeBytes: 1_048_576,
  sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  checks: { antivirus: { state: 'no_signature_database', engine: 'signature list' } },
  operationId: '019ab6a0-7c00-7000-8000-000000000002',
  metadata: {},
  links: { self: '/v1/files/019ab6a0-7c00-7000-8000-000000000001', content: '/v1/files/019ab6a0-7c00-7000-8000-000000000001/content' },
};
const EXAMPLE_LINK: FileLink = {
  object: 'fileLink',
  createdAt: '2026-11-24T22:00:00.000Z',
  expiresAt: '2026-11-25T22:00:00.000Z',
  url: 'http://127.0.0.1:7460/f/acme.019ab6a0-7c00-7000-8000-000000000001.1795644000.kq0Z',
};

/** Looking at files, getting their bytes, passing them on, and deleting them. */
export function fileRoutes(ctx: ApiContext): Route[] {
  return [listRoute(ctx), getRoute(ctx), contentRoute(ctx), linkRoute(ctx), linkedRoute(ctx), removeRoute(ctx)];
}

function listRoute(ctx: ApiContext): Route {
  return tenantRoute([scopes.read], {
    ...COMMON,
    method: 'get',
    path: '/v1/files',
    operationId: 'listFiles',
    summary: 'List files',
    description: 'Newest first, without those that are deleted.',
    query: FileQuery,
    responses: { 200: { description: 'One page.', schema: FilePage, example: { data: [EXAMPLE], hasMore: false, nextCursor: null } } },
    problems: ['invalid_cursor'],
    async handler({ auth, query: { limit, cursor, state } }) {
      const page = { limit: limit + 1, cursor: readTimeCursor(cursor, UUID) };
      const found = await ctx.store.files.list({ tenantId: auth.tenantId, filter: { state, ...sightOf(auth) }, page });
      const { rows, hasMore } = cutPage(found, limit);
      const last = rows.at(-1);
      const nextCursor = hasMore && last !== undefined ? writeCursor([last.created_at.toISOString(), last.id]) : null;
      return { status: 200, body: { data: rows.map(presentFile), hasMore, nextCursor } };
    },
  });
}

function getRoute(ctx: ApiContext): Route {
  return tenantRoute([scopes.read], {
    ...COMMON,
    method: 'get',
    path: '/v1/files/{id}',
    operationId: 'getFile',
    summary: 'Look at a file',
    description: 'From its first byte on: `state` tells how far it is.',
    params: UuidParams,
    responses: { 200: { description: 'The file.', schema: StoredFile, example: EXAMPLE } },
    problems: ['not_found'],
    async handler({ auth, params }) {
      return { status: 200, body: presentFile(await findFile(ctx, auth, params.id)) };
    },
  });
}

function contentRoute(ctx: ApiContext): Route {
  return tenantRoute([scopes.read], {
    ...COMMON,
    method: 'get',
    path: '/v1/files/{id}/content',
    operationId: 'getFileContent',
    summary: 'Download a file',
    description: 'Of a file that is `ready`. Takes `Range` with one or several ranges, `If-None-Match` and `If-Range`.',
    tokenInQuery: true,
    params: UuidParams,
    headers: RANGE_HEADERS,
    responses: CONTENT_RESPONSES,
    problems: ['not_found', 'file_not_ready', 'range_not_satisfiable', ...SOURCE_PROBLEMS],
    async handler({ auth, params }) {
      return contentOf(ctx, await findFile(ctx, auth, params.id));
    },
  });
}

function linkRoute(ctx: ApiContext): Route {
  return tenantRoute([scopes.read], {
    ...COMMON,
    method: 'post',
    path: '/v1/files/{id}/links',
    operationId: 'createFileLink',
    summary: 'Make a download link',
    description:
      'Signed: it works without a key, until it expires, the file is deleted or the tenant is closed. One that a token makes lasts no longer ' +
      'than the token, and ends when that is revoked. Nothing is stored, so it can be made often.',
    params: UuidParams,
    body: NewFileLink,
    bodyExample: { expiresIn: '24h' },
    bodyOptional: true,
    responses: { 201: { description: 'The link.', schema: FileLink, example: EXAMPLE_LINK } },
    problems: ['not_found', 'file_not_ready'],
    async handler({ auth, params, body, now }) {
      const file = await findFile(ctx, auth, params.id);
      if (file.state !== 'ready') throw new HttpProblem('file_not_ready', `The file is ${file.state}.`);
      const asked = new Date(now.getTime() + (parseDuration(body.expiresIn) ?? 0));
      // Whole seconds, as the link has them.
      const expiresAt = new Date(Math.floor(endFor(auth, asked).getTime() / 1000) * 1000);
      const claim = { tenantId: auth.tenantId, fileId: file.id, expiresAt, madeBy: auth.kind === 'token' ? auth.keyId : undefined };
      const token = signLink(await ctx.store.files.linkSecret(auth.tenantId), claim);
      const link: FileLink = {
        object: 'fileLink',
        createdAt: now.toISOString(),
        expiresAt: expiresAt.toISOString(),
        url: `${ctx.http.publicUrl}/f/${token}`,
      };
      return { status: 201, body: link };
    },
  });
}

/** Of an end user's rights none outlives the token that carries them. */
function endFor({ kind, expiresAt }: TenantCaller, asked: Date): Date {
  return kind === 'token' && expiresAt !== undefined && expiresAt < asked ? expiresAt : asked;
}

function linkedRoute(ctx: ApiContext): Route {
  return publicRoute({
    tag: COMMON.tag,
    feature: COMMON.feature,
    method: 'get',
    path: '/f/{token}',
    operationId: 'getLinkedFile',
    summary: 'Download by a link',
    description: 'What a download link leads to. A link that has expired, or whose file, tenant or token is gone, is not there.',
    params: FileLinkParams,
    headers: RANGE_HEADERS,
    responses: CONTENT_RESPONSES,
    problems: ['not_found', 'range_not_satisfiable', ...SOURCE_PROBLEMS],
    async handler({ params, now }) {
      const tenantId = tenantOfLink(params.token);
      const secret = tenantId === undefined ? undefined : await ctx.store.files.findLinkSecret(tenantId);
      const claim = secret === undefined ? undefined : openLink(secret, params.token, now);
      const file =
        claim !== undefined && (await isOpen(ctx, claim, now)) ? await ctx.store.files.get(claim.tenantId, claim.fileId) : undefined;
      if (file?.state !== 'ready') throw new HttpProblem('not_found', 'The link is not one of ours, has expired, or its file is gone.');
      return contentOf(ctx, file);
    },
  });
}

/** Whether the tenant is, and who made the link could still make it. */
async function isOpen({ store }: ApiContext, { tenantId, madeBy }: LinkClaim, now: Date): Promise<boolean> {
  if ((await store.tenants.get(tenantId)) === undefined) return false;
  return madeBy === undefined || (await store.system.apiKeys.recheck(madeBy, now)).outcome === 'valid';
}

function removeRoute(ctx: ApiContext): Route {
  return tenantRoute([scopes.start], {
    ...COMMON,
    method: 'delete',
    path: '/v1/files/{id}',
    operationId: 'deleteFile',
    summary: 'Delete a file',
    description:
      'From the answer on nobody gets it, by no link either; its bytes are removed a moment later. An upload under way ends. An object that was ' +
      'registered by its `source` stays as it is.',
    params: UuidParams,
    responses: { 204: { description: 'Gone.' } },
    problems: ['not_found'],
    async handler({ auth, params, now }) {
      await findFile(ctx, auth, params.id);
      const removed = await ctx.store.files.removal.remove({ tenantId: auth.tenantId, id: params.id, actor: auth.actor, now });
      if (!removed) throw new HttpProblem('not_found');
      return { status: 204 };
    },
  });
}

/**
 * A file that the caller may see.
 * @throws {HttpProblem} not_found
 */
export async function findFile(ctx: ApiContext, auth: TenantCaller, id: string): Promise<FileRow> {
  const file = await ctx.store.files.get(auth.tenantId, id);
  const isThere =
    file !== undefined && file.state !== 'deleted' && sees(auth, { id, root_id: id, kind: 'file', owner_subject: file.owner_subject });
  if (!isThere) throw new HttpProblem('not_found');
  return file;
}

const RANGE_HEADERS = {
  Range: '`bytes=0-99`, `bytes=100-`, `bytes=-100`, or several with commas.',
  'If-None-Match': 'Only if it is another file than the one with this ETag.',
  'If-Range': 'Ranges only of the file with this ETag, else the whole.',
};

const BINARY = { schema: z.string().meta({ format: 'binary' }), contentType: 'application/octet-stream', example: '…' };
const CONTENT_RESPONSES: Readonly<Record<number, ResponseSpec>> = {
  200: { description: 'The whole file.', headers: { ETag: 'Of the content.', 'Accept-Ranges': '`bytes`.' }, ...BINARY },
  206: { description: 'The ranges that were asked for.', headers: { 'Content-Range': 'Which, of how many bytes.' }, ...BINARY },
  304: { description: 'The client has it.' },
};
