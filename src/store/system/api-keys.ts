import { createHash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { type Kysely, type Selectable, sql } from 'kysely';
import type { ApiKeyKind, Database } from '../schema.ts';

export type ApiKeyRow = Selectable<Database['api_key']>;

/** What a presented key turned out to be. Callers outside see one answer for all that is not `valid`. */
export type Verdict =
  | { readonly outcome: 'valid'; readonly key: ApiKeyRow }
  | { readonly outcome: 'malformed' | 'unknown' | 'revoked' | 'expired' };

/** A new key: its public id and the whole secret, which is never stored. */
export interface NewSecret {
  readonly id: string;
  readonly secret: string;
}

export interface EnsureKeyRequest {
  readonly secret: string;
  readonly kind: 'key' | 'platform';
  /** Not for platform keys. */
  readonly tenantId?: string;
  readonly name: string;
  readonly now: Date;
}

/** Revocation must be seen by every process within a second, so no answer is older than this. */
const CACHE_TTL_MS = 500;
const CACHE_MAX = 10_000;
const USE_EVERY_MS = 60_000;
const ID_ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';
const ID_CHARS = 8;
const SECRET_BYTES = 32;
/** Scanners and people tell by it what they have found. */
const PREFIXES = { key: 'ns', platform: 'ns', token: 'nt', session_link: 'nl', session: 'nc' } as const satisfies Readonly<
  Record<ApiKeyKind, string>
>;
const FORMAT = /^n[stlc]_([a-z0-9]{8})_([A-Za-z0-9_-]{43})([0-9a-f]{6})$/;

/** `ns_{id}_{256 random bits}{checksum}`: the prefix lets scanners find leaked keys, the checksum tells them from noise. */
export function newSecret(kind: ApiKeyKind = 'key'): NewSecret {
  const id = Array.from({ length: ID_CHARS }, () => ID_ALPHABET.charAt(randomInt(ID_ALPHABET.length))).join('');
  const body = `${PREFIXES[kind]}_${id}_${randomBytes(SECRET_BYTES).toString('base64url')}`;
  return { id, secret: body + checksum(body) };
}

/** What is stored of a secret. 256 random bits need no slow hash. */
export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** The id inside a secret, or undefined when the text is no key of ours. */
export function idOfSecret(secret: string): string | undefined {
  const id = FORMAT.exec(secret)?.[1];
  return id !== undefined && checksum(secret.slice(0, -6)) === secret.slice(-6) ? id : undefined;
}

/** Key look-up happens before the tenant is known, so it has the system role. */
export function createSystemApiKeysStore(system: Kysely<Database>) {
  const uses = new Map<string, Date>();
  const cache = new Map<string, { readonly row: Promise<ApiKeyRow | undefined>; readonly until: number }>();

  /** Checks a presented key. `now` decides about expiry; what the database said is at most half a second old. */
  async function verify(secret: string, now: Date): Promise<Verdict> {
    const id = idOfSecret(secret);
    if (id === undefined) return { outcome: 'malformed' };
    const row = await find(id);
    if (row === undefined || !timingSafeEqual(row.secret_hash, hashSecret(secret))) return { outcome: 'unknown' };
    const verdict = standing(row, now);
    if (verdict.outcome === 'valid' && now.getTime() - (row.last_used_at?.getTime() ?? 0) >= USE_EVERY_MS) uses.set(id, now);
    return verdict;
  }

  /** Writes down when keys were used last, each at most once a minute, whoever of the processes saw it. */
  async function writeUses(): Promise<void> {
    if (uses.size === 0) return;
    const list = JSON.stringify([...uses].map(([id, at]) => ({ id, at })));
    uses.clear();
    await sql`update api_key set last_used_at = used.at from jsonb_to_recordset(${list}::jsonb) as used(id text, at timestamptz)
      where api_key.id = used.id and (last_used_at is null or last_used_at <= used.at - make_interval(secs => ${USE_EVERY_MS / 1000}))`.execute(
      system,
    );
  }

  /** Whether a key that was valid still is: for what stays open after the request was let in. */
  async function recheck(id: string, now: Date): Promise<Verdict> {
    const row = await find(id);
    return row === undefined ? { outcome: 'unknown' } : standing(row, now);
  }

  /** Concurrent look-ups of one key share one query. */
  function find(id: string): Promise<ApiKeyRow | undefined> {
    const at = performance.now();
    const cached = cache.get(id);
    if (cached !== undefined && cached.until > at) return cached.row;
    const row = select(system, id);
    if (cache.size >= CACHE_MAX) cache.clear();
    cache.set(id, { row, until: at + CACHE_TTL_MS });
    row.catch(() => cache.delete(id));
    return row;
  }

  /** Makes the row of a secret that is already kept elsewhere, unless it is there. Says what the key is worth then. */
  async function ensure(request: EnsureKeyRequest): Promise<Verdict> {
    const id = idOfSecret(request.secret);
    if (id === undefined) return { outcome: 'malformed' };
    await insertMissing(system, { ...request, id });
    cache.delete(id);
    return verify(request.secret, request.now);
  }

  /** Whether any key of this sort still works, whoever holds it. */
  async function hasUsable(kind: 'key' | 'platform', tenantId?: string): Promise<boolean> {
    let query = system.selectFrom('api_key').select('id').where('kind', '=', kind).where('revoked_at', 'is', null);
    if (tenantId !== undefined) query = query.where('tenant_id', '=', tenantId);
    return (await query.limit(1).executeTakeFirst()) !== undefined;
  }

  /** Makes this process look again at once; the others do within half a second. */
  function forget(id: string): void {
    cache.delete(id);
  }

  return { verify, writeUses, recheck, ensure, hasUsable, forget, newSecret };
}

async function select(system: Kysely<Database>, id: string): Promise<ApiKeyRow | undefined> {
  const found = await system
    .selectFrom('api_key')
    .leftJoin('tenant', 'tenant.id', 'api_key.tenant_id')
    .leftJoin('api_key as maker', 'maker.id', 'api_key.made_by')
    .selectAll('api_key')
    .select(['tenant.deleted_at', 'maker.revoked_at as maker_revoked_at', 'maker.expires_at as maker_expires_at'])
    .where('api_key.id', '=', id)
    .executeTakeFirst();
  if (found === undefined) return undefined;
  const { deleted_at: closedAt, maker_revoked_at: makerRevokedAt, maker_expires_at: makerExpiresAt, ...row } = found;
  // The keys of a closed tenant are as good as revoked; tokens and sessions end with the key that made them.
  return { ...row, revoked_at: row.revoked_at ?? closedAt ?? makerRevokedAt, expires_at: earliest(row.expires_at, makerExpiresAt) };
}

async function insertMissing(system: Kysely<Database>, request: EnsureKeyRequest & { readonly id: string }): Promise<void> {
  const { id, secret, kind, tenantId, name, now } = request;
  await system
    .insertInto('api_key')
    .values({
      id,
      kind,
      tenant_id: tenantId ?? null,
      secret_hash: hashSecret(secret),
      name,
      scopes: ['*'],
      subject: null,
      resources: null,
      created_at: now,
      expires_at: null,
      revoked_at: null,
      last_used_at: null,
      made_by: null,
    })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
}

function standing(row: ApiKeyRow, now: Date): Verdict {
  if (row.revoked_at !== null) return { outcome: 'revoked' };
  if (row.expires_at !== null && row.expires_at <= now) return { outcome: 'expired' };
  return { outcome: 'valid', key: row };
}

function earliest(one: Date | null, other: Date | null): Date | null {
  if (one === null || other === null) return one ?? other;
  return one < other ? one : other;
}

function checksum(body: string): string {
  return createHash('sha256').update(body).digest('hex').slice(0, 6);
}
