import { uuidv7 } from 'uuidv7';
import type { Kind } from '../../contracts/kinds.ts';
import type { Actor } from '../audit.ts';
import { withTenant } from '../database.ts';
import type { Accepted, Idempotency, OperationRow, StartFieldValues } from '../operations.ts';
import type { FileParts } from './uploads.ts';

/** An object that is to be a file where it is. */
export interface NewSource {
  readonly tenantId: string;
  readonly source: string;
  /** Of the only version that counts. */
  readonly etag: string;
  readonly sizeBytes: number;
  readonly name: string | undefined;
  readonly declaredType: string | undefined;
  /** Of the operation that checks it. */
  readonly kind: Kind;
  readonly start: StartFieldValues;
  readonly ownerSubject: string | undefined;
  readonly actor: Actor;
  readonly idempotency: Idempotency | undefined;
  readonly now: Date;
}

/** Files whose bytes are not ours. */
export function createSourcesStore({ db, audit, operations }: FileParts) {
  /** The file and the operation that checks it, in one transaction; once for an `Idempotency-Key`. Takes nothing of the tenant's quota. */
  async function register(request: NewSource): Promise<Accepted> {
    const { tenantId, kind, start, actor, ownerSubject, idempotency, now } = request;
    const id = uuidv7();
    return operations.accept({
      ...{ tenantId, kind, start, actor, ownerSubject, idempotency, now, input: { fileId: id } },
      joined: {
        async after(tx, operation) {
          await tx
            .insertInto('file')
            .values(rowOf(request, id, operation))
            .execute();
          await audit.record(tx, {
            ...actor,
            tenantId,
            at: now,
            action: 'file.registered',
            target: `file/${id}`,
            ...(ownerSubject === undefined ? {} : { subject: ownerSubject }),
            after: { source: request.source, name: request.name, declaredType: request.declaredType, sizeBytes: request.sizeBytes },
          });
        },
      },
    });
  }

  /** What an earlier request with this key has begun, so that a repetition is answered whatever became of the object. */
  async function answerTo(tenantId: string, idempotency: Idempotency): Promise<OperationRow | 'mismatch' | undefined> {
    return withTenant(db, tenantId, async (tx) => {
      const first = await tx
        .selectFrom('idempotency')
        .select(['digest', 'object_id'])
        .where('tenant_id', '=', tenantId)
        .where('key', '=', idempotency.key)
        .executeTakeFirst();
      if (first === undefined) return undefined;
      if (first.digest !== idempotency.digest) return 'mismatch';
      return tx.selectFrom('operation').selectAll().where('id', '=', first.object_id).executeTakeFirst();
    });
  }

  return { register, answerTo };
}

function rowOf(request: NewSource, id: string, operation: OperationRow) {
  return {
    id,
    tenant_id: request.tenantId,
    state: 'checking' as const,
    name: request.name ?? null,
    declared_type: request.declaredType ?? null,
    media_type: null,
    size_bytes: request.sizeBytes,
    sha256: null,
    object_name: null,
    source: request.source,
    source_etag: request.etag,
    owner_subject: request.ownerSubject ?? null,
    created_by: request.actor.actor,
    metadata: JSON.stringify(request.start.metadata ?? {}),
    start_fields: JSON.stringify(request.start),
    operation_id: operation.id,
    created_at: request.now,
    updated_at: request.now,
  };
}
