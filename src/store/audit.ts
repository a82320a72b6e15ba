import { createHmac, randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import { uuidv7 } from 'uuidv7';
import { type Tx, withTenant } from './database.ts';
import type { Database } from './schema.ts';

const SECRET_BYTES = 32;
const CACHE_TTL_MS = 60_000;
const CACHE_MAX = 10_000;

/** Who did something: a key, a token's subject, a workflow, or an operator's tool. Never a name or an address. */
export interface Actor {
  /** `key:ab12cd34`, `subject:u_1`, `workflow`, `temporal`, `system`. */
  readonly actor: string;
  readonly keyId?: string;
}

export interface Change extends Actor {
  readonly tenantId: string;
  readonly at: Date;
  /** `operation.accepted`, `api_key.revoked` … */
  readonly action: string;
  /** `operation/{id}`, `user/{id}` … */
  readonly target: string;
  readonly operationId?: string;
  /** Whose data it is; without one, the tenant's own. */
  readonly subject?: string;
  readonly before?: unknown;
  readonly after?: unknown;
  /** Plain facts that hold nothing personal. */
  readonly details?: Readonly<Record<string, unknown>>;
}

interface Hashed {
  readonly tenantId: string;
  readonly subject: string;
  readonly value: unknown;
}

export const TENANT_SUBJECT = 'tenant';

/**
 * Writes audit rows in their final form. Values are kept only as HMACs under the subject's key, which proves what they were to one who
 * has both, and nothing to anybody once the key is gone.
 */
export function createAuditStore(db: Kysely<Database>) {
  const cache = new Map<string, { readonly secret: Buffer; readonly expiresAt: number }>();

  /** Hash of a value under the subject's key, making the key when there is none. Cached for a minute. */
  async function hashFor(tenantId: string, subject: string, value: unknown): Promise<Buffer> {
    return hmac(await secretFor(tenantId, subject), value);
  }

  /** The same in a transaction that writes more. */
  async function hashIn(tx: Tx, { tenantId, subject, value }: Hashed): Promise<Buffer> {
    return hmac(await ensureSecret(tx, tenantId, subject), value);
  }

  async function secretFor(tenantId: string, subject: string): Promise<Buffer> {
    const id = `${tenantId}/${subject}`;
    const cached = cache.get(id);
    if (cached !== undefined && cached.expiresAt > performance.now()) return cached.secret;
    const secret = await withTenant(db, tenantId, (tx) => ensureSecret(tx, tenantId, subject));
    if (cache.size >= CACHE_MAX) cache.clear();
    cache.set(id, { secret, expiresAt: performance.now() + CACHE_TTL_MS });
    return secret;
  }

  /** An audit row that stands alone. */
  function write(change: Change): Promise<void> {
    return withTenant(db, change.tenantId, (tx) => recordChange(tx, change));
  }

  return { hashFor, hashIn, record: recordChange, write };
}

export type AuditStore = ReturnType<typeof createAuditStore>;

/** The change helper: the audit row joins the transaction of the change itself. */
export async function recordChange(tx: Tx, change: Change): Promise<void> {
  const subject = change.subject ?? TENANT_SUBJECT;
  const secret = change.before === undefined && change.after === undefined ? undefined : await ensureSecret(tx, change.tenantId, subject);
  await tx
    .insertInto('audit_entry')
    .values({
      id: uuidv7(),
      tenant_id: change.tenantId,
      at: change.at,
      actor: change.actor,
      key_id: change.keyId ?? null,
      action: change.action,
      target: change.target,
      operation_id: change.operationId ?? null,
      subject,
      before_hmac: secret === undefined || change.before === undefined ? null : hmac(secret, change.before),
      after_hmac: secret === undefined || change.after === undefined ? null : hmac(secret, change.after),
      details: JSON.stringify(change.details ?? {}),
    })
    .execute();
}

async function ensureSecret(tx: Tx, tenantId: string, subject: string): Promise<Buffer> {
  const found = await tx
    .selectFrom('subject_key')
    .select('secret')
    .where('tenant_id', '=', tenantId)
    .where('subject', '=', subject)
    .executeTakeFirst();
  if (found !== undefined) return found.secret;
  await tx
    .insertInto('subject_key')
    .values({ tenant_id: tenantId, subject, secret: randomBytes(SECRET_BYTES), created_at: new Date() })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const made = await tx
    .selectFrom('subject_key')
    .select('secret')
    .where('tenant_id', '=', tenantId)
    .where('subject', '=', subject)
    .executeTakeFirstOrThrow();
  return made.secret;
}

function hmac(secret: Buffer, value: unknown): Buffer {
  return createHmac('sha256', secret).update(JSON.stringify(value)).digest();
}
