import type { TaskQueue } from '../contracts/pure/task-queues.ts';
import { type CheckoutActivityDeps, createCheckoutActivities } from './checkout/index.ts';
import { createEmailActivities, type EmailActivityDeps } from './email.ts';
import { addColumns } from './files/columns.ts';
import { createFileActivities, createFileCoreActivities, type FileActivityDeps } from './files/index.ts';
import { createOperationActivities, type OperationActivityDeps } from './operations.ts';

export type QueueActivities = Readonly<Record<TaskQueue, object>>;

/** Which activities each queue serves. `core` has all that run as local activities, beside the bookkeeping. */
export function createActivities(
  deps: EmailActivityDeps & FileActivityDeps & OperationActivityDeps & CheckoutActivityDeps,
): QueueActivities {
  const operations = createOperationActivities(deps, { fileTransform: addColumns(deps.store) });
  const files = createFileActivities(deps);
  const email = createEmailActivities(deps);
  const checkout = createCheckoutActivities(deps);
  return {
    core: { ...operations, openEmail: email.openEmail, ...createFileCoreActivities(deps), ...checkout.core },
    mail: { sendEmail: email.sendEmail },
    files: { ...files },
    payments: checkout.payments,
  };
}
