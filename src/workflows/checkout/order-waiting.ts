import { CancellationScope, isCancellation, sleep } from '@temporalio/workflow';
import type { OrderView } from '../../contracts/pure/checkout.ts';
import type { OperationControl } from '../lib/operation.ts';
import { isRunFull } from '../lib/run-length.ts';
import type { OrderInbox } from './order-inbox.ts';
import { core, FOREVER_MS, outside, readAfterMs } from './steps.ts';

/** So long it is asked again for a payment that the provider says it does not have: settings may be wrong, and mended. */
const GIVE_UP_MISSING_MS = 3 * 86_400_000; // 3 days

export interface OrderWork {
  readonly control: OperationControl;
  readonly inbox: OrderInbox;
}

export interface NewsRequest {
  readonly view: OrderView;
  readonly phase: string;
  readonly message?: string;
  /** Waits no longer than this. */
  readonly untilMs?: number;
  /** What ends the waiting beside news of the payment. */
  readonly or?: () => boolean;
}

/** Until when somebody may find a payment that the provider does not know; undefined while it knows it. */
export function findUntilMs({ missingSinceMs }: OrderView): number | undefined {
  return missingSinceMs === undefined ? undefined : missingSinceMs + GIVE_UP_MISSING_MS;
}

/**
 * Waits until something is known that was not: a signal says so, or the payment, read now and then, has changed. Answers how the order
 * stands then; the same as before when the run has grown so long that another one should go on.
 */
export async function awaitNews({ control, inbox }: OrderWork, request: NewsRequest): Promise<OrderView> {
  const { view, phase, message, untilMs, or = () => false } = request;
  let read: OrderView | undefined;
  const polling = new CancellationScope();
  const polled = polling.run(async () => {
    read = await readUntilChanged(control, view);
  });
  // Looked at below; what it ends with must not count as unhandled until then.
  polled.catch(() => undefined);
  try {
    await control.wait({
      durationMs: untilMs === undefined ? FOREVER_MS : Math.max(0, untilMs - Date.now()),
      phase,
      ...(message === undefined ? {} : { message }),
      until: () => read !== undefined || inbox.isNews || inbox.isReadAsked || inbox.isVoidAsked || isRunFull() || or(),
    });
  } finally {
    polling.cancel();
    await polled.catch(rethrowUnlessCancelled);
  }
  if (inbox.isReadAsked) {
    inbox.isReadAsked = false;
    return view.intentStatus === null ? core.lookAtOrder({ run: control.run() }) : outside.readPayment({ run: control.run() });
  }
  inbox.isNews = false;
  return core.lookAtOrder({ run: control.run() });
}

async function readUntilChanged(control: OperationControl, known: OrderView): Promise<OrderView> {
  for (let round = 0; ; round += 1) {
    await sleep(readAfterMs(round), { summary: 'read the payment' });
    const view = await outside.readPayment({ run: control.run() });
    if (isOther(view, known) || isRunFull()) return view;
  }
}

function isOther(view: OrderView, known: OrderView): boolean {
  const keys = ['state', 'intentStatus', 'capturedAmount', 'refundedAmount', 'paymentTry', 'confirmedTry', 'missingSinceMs'] as const;
  return keys.some((key) => view[key] !== known[key]);
}

function rethrowUnlessCancelled(error: unknown): void {
  if (!isCancellation(error)) throw error;
}
