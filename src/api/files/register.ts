import { createHash } from 'node:crypto';
import type { Request } from 'express';
import { FileName } from '../../contracts/files/file.ts';
import { FileSource, SourceError } from '../../contracts/files/source.ts';
import { KINDS } from '../../contracts/kinds.ts';
import type { Accepted } from '../../store/operations.ts';
import type { SourceVersion } from '../../adapters/sources.ts';
import type { ApiContext } from '../lib/context.ts';
import { canonicalJson, readJson } from '../lib/json.ts';
import { parsePart } from '../lib/parse.ts';
import { HttpProblem } from '../lib/problems.ts';
import type { Idempotency, TenantCaller } from '../lib/route.ts';
import { prepareStart, requireFeature, splitStartBody } from '../lib/start.ts';
import { sourceProblem } from './source-problem.ts';
import { badHeader } from './upload-headers.ts';
import { tooLarge } from './upload-requests.ts';

const kind = KINDS.fileProcessing;
const LOOK_TIMEOUT_MS = 10_000;

interface Registering {
  readonly auth: TenantCaller;
  readonly request: Request;
  readonly now: Date;
  readonly idempotency: Idempotency | undefined;
}

/** Whether the body names an object, rather than being the file: JSON of which the query says nothing. */
export function namesSource(request: Request, query: { readonly name?: string | undefined; readonly start?: string | undefined }): boolean {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  return type === 'application/json' && query.name === undefined && query.start === undefined;
}

/**
 * Makes an object that is elsewhere a file where it is, in the version that is there now.
 * @throws {HttpProblem} for one that the tenant may not name, that can't be read or is too large; nothing is stored then
 */
export async function registerSource(ctx: ApiContext, registering: Registering): Promise<Exclude<Accepted, { outcome: 'mismatch' }>> {
  const { auth, request, now } = registering;
  requireFeature(ctx, kind);
  // What a person may see of a bucket nobody knows, so that who runs the host application must say it.
  if (auth.kind === 'token') throw new HttpProblem('key_required', 'Objects elsewhere are named by keys only.');
  if (request.headers['upload-checksum'] !== undefined) throw badHeader('upload-checksum', 'is for files that are sent');
  const raw = await readJson(request, ctx.http.bodyLimitBytes);
  const body = parseBody(raw);
  const { source, name = nameOf(body.source), type: declaredType } = body;
  const { start, ownerSubject } = await prepareStart(ctx, { auth, start: splitStartBody(body).start, now });
  const idempotency = withBody(registering.idempotency, raw);
  const { sources } = ctx.store.files;
  const first = idempotency === undefined ? undefined : await sources.answerTo(auth.tenantId, idempotency);
  if (first === 'mismatch') throw new HttpProblem('idempotency_key_reused');
  if (first !== undefined) return { outcome: 'replayed', operation: first };
  const { etag, sizeBytes } = await look(ctx, auth.tenantId, source);
  if (sizeBytes > ctx.files.maxBytes) throw tooLarge(ctx);
  const accepted = await sources.register({
    ...{ tenantId: auth.tenantId, source, etag, sizeBytes, name, declaredType, kind, start, ownerSubject },
    ...{ actor: auth.actor, idempotency, now },
  });
  if (accepted.outcome === 'mismatch') throw new HttpProblem('idempotency_key_reused');
  return accepted;
}

function parseBody(raw: unknown): FileSource {
  // As its schema has just found.
  if (typeof raw === 'object' && raw !== null && 'source' in raw) return parsePart(FileSource, raw, '') as FileSource;
  const message =
    'is required: a body of JSON names an object elsewhere. To send JSON as a file, give the file a name: /v1/files?name=data.json';
  throw new HttpProblem('invalid_request', `/source ${message}.`, { errors: [{ pointer: '/source', message }] });
}

/** The last part of the key, where it can be the name of a file. */
function nameOf(source: string): string | undefined {
  const name = FileName.safeParse(source.slice(source.lastIndexOf('/') + 1));
  return name.success ? name.data : undefined;
}

/** The digest was made before the body was read. */
function withBody(idempotency: Idempotency | undefined, body: unknown): Idempotency | undefined {
  if (idempotency === undefined) return undefined;
  const digest = createHash('sha256')
    .update(`${idempotency.digest}\n${canonicalJson(body)}`)
    .digest('hex');
  return { ...idempotency, digest };
}

async function look({ sources, log }: ApiContext, tenantId: string, source: string): Promise<SourceVersion> {
  const timeout = AbortSignal.timeout(LOOK_TIMEOUT_MS);
  try {
    return await sources.look(tenantId, source, { signal: timeout });
  } catch (error) {
    const fault = timeout.aborted ? new SourceError('unavailable', { cause: error }) : error;
    // Its text may name the object.
    const why = fault instanceof SourceError && fault.cause instanceof Error ? fault.cause.name : undefined;
    if (fault instanceof SourceError && fault.fault === 'unavailable') log.warn({ tenantId, why }, 'a source can not be reached');
    throw sourceProblem(fault);
  }
}
