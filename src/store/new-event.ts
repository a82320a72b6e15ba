import { uuidv7 } from 'uuidv7';
import type { Tx } from './database.ts';

export interface NewEvent {
  readonly tenantId: string;
  readonly type: string;
  readonly operationId: string;
  /** Ids, states and amounts only. */
  readonly data: Readonly<Record<string, unknown>>;
  readonly now: Date;
}

/** A fact for the host application, told with the transaction that makes it true. */
export async function insertEvent(tx: Tx, { tenantId, type, operationId, data, now }: NewEvent): Promise<void> {
  await tx
    .insertInto('event')
    .values({
      id: uuidv7(),
      tenant_id: tenantId,
      type,
      operation_id: operationId,
      data: JSON.stringify(data),
      created_at: now,
      position: null,
    })
    .execute();
}
