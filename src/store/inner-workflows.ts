import { uuidv7 } from 'uuidv7';
import type { InnerRef } from '../contracts/inner-workflows.ts';
import { TASK_QUEUES } from '../contracts/pure/task-queues.ts';
import type { Tx } from './database.ts';

const DEFAULT_PRIORITY = 3;

interface InnerMessage {
  readonly workflowId: string;
  readonly ref: InnerRef;
  readonly now: Date;
}

/** Starts a workflow that is no operation's when the transaction commits; the caller then wakes the dispatcher. */
export async function startInner(tx: Tx, message: InnerMessage & { readonly dueAt?: Date }): Promise<void> {
  await insert(tx, message, { verb: 'start', name: null });
}

/** Takes back a start that has not gone out yet. False: Temporal knows of the workflow, or hears of it right now. */
export async function dropStart(tx: Tx, workflowId: string, now: Date): Promise<boolean> {
  const dropped = await tx
    .updateTable('dispatch')
    .set({ delivered_at: now, outcome: 'dropped' })
    .where('workflow_id', '=', workflowId)
    .where('verb', '=', 'start')
    .where('delivered_at', 'is', null)
    .where('lease_until', 'is', null)
    .returning('id')
    .executeTakeFirst();
  return dropped !== undefined;
}

/** Tells it something, without a word more than the signal's name. */
export async function signalInner(tx: Tx, { name, ...message }: InnerMessage & { readonly name: string }): Promise<void> {
  await insert(tx, message, { verb: 'signal', name });
}

interface Verb {
  readonly verb: 'start' | 'signal';
  readonly name: string | null;
}

async function insert(
  tx: Tx,
  { workflowId, ref, now, dueAt = now }: InnerMessage & { readonly dueAt?: Date },
  { verb, name }: Verb,
): Promise<void> {
  await tx
    .insertInto('dispatch')
    .values({
      id: uuidv7(),
      tenant_id: ref.tenantId,
      operation_id: null,
      workflow_id: workflowId,
      workflow_type: ref.kind,
      task_queue: TASK_QUEUES.core,
      verb,
      name,
      payload: JSON.stringify(verb === 'start' ? ref : {}),
      priority: DEFAULT_PRIORITY,
      due_at: dueAt,
      lease_until: null,
      last_error: null,
      created_at: now,
      delivered_at: null,
      outcome: null,
    })
    .execute();
}
