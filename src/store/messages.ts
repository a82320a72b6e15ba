import { uuidv7 } from 'uuidv7';
import { TASK_QUEUES } from '../contracts/pure/task-queues.ts';
import type { Tx } from './database.ts';
import type { OperationRow } from './operations.ts';

/** A row that this transaction holds. */
export interface Locked {
  readonly tx: Tx;
  readonly row: OperationRow;
}

/** Something to tell the workflow of an operation. */
interface Message {
  readonly verb: 'signal' | 'cancel';
  readonly name: string | null;
  readonly payload: object;
  readonly now: Date;
}

/** Writes what the dispatcher then tells the workflow. */
export async function insertMessage({ tx, row }: Locked, { verb, name, payload, now }: Message): Promise<void> {
  await tx
    .insertInto('dispatch')
    .values({
      id: uuidv7(),
      tenant_id: row.tenant_id,
      operation_id: row.id,
      workflow_id: row.workflow_id,
      workflow_type: row.kind,
      task_queue: TASK_QUEUES.core,
      verb,
      name,
      payload: JSON.stringify(payload),
      priority: 1,
      due_at: now,
      lease_until: null,
      last_error: null,
      created_at: now,
      delivered_at: null,
      outcome: null,
    })
    .execute();
}
