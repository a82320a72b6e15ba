import * as z from 'zod';
import type { Ledger } from '../lib/ledger.ts';
import type { Load } from '../lib/load.ts';
import type { Hold } from './holds.ts';
import type { PlannedMail } from './plan.ts';

const FIRST_LOOK_MS = 150;
/** A cancelled mail is looked at often: from the moment at which it is seen to be cancelled, nothing may arrive. */
const CANCELLED_LOOK_MS = 20;
const MAX_LOOK_MS = 1_500;
/** A mail whose body the server never has for long is cancelled all the same. */
const MAX_WAIT_FOR_BODY_MS = 20_000;
/** So long a body waits after the cancel; who obeys waits as long for the body, who errs has shown it by then. */
const BODY_AFTER_CANCEL_MS = 2_000;
const TERMINAL: ReadonlySet<string> = new Set(['succeeded', 'failed', 'cancelled', 'expired', 'unknown']);

const operation = z.object({ id: z.string(), status: z.string() });
const operations = z.object({ data: z.array(operation) });

interface Client {
  readonly load: Load;
  readonly ledger: Ledger;
  /** Where the cancel comes while the mail server has a body. */
  readonly hold: Hold | undefined;
  readonly onAcknowledged: () => void;
}

/** Posts a mail until it is acknowledged, cancels it where the plan says so, and looks at it until it has ended. Notes each answer. */
export async function liveMail(mail: PlannedMail, { load, ledger, hold, onAcknowledged }: Client): Promise<void> {
  const { ordinal, to, cc, bcc, delayMs, cancelAfterMs, notify } = mail;
  const body = {
    to,
    ...(cc.length === 0 ? {} : { cc }),
    ...(bcc.length === 0 ? {} : { bcc }),
    subject: `Mail ${ordinal}`,
    text: `Once, and only once.\n.\nThe number is ${ordinal}.`,
    ...(notify === undefined ? {} : { notify: [{ email: notify }] }),
    ...(delayMs === undefined ? {} : { startAt: new Date(Date.now() + delayMs).toISOString() }),
  };
  const headers = { 'Idempotency-Key': `mail-${ordinal}` };
  const answer = await load.ask('POST', '/v1/emails', { body, headers });
  if (answer.status !== 202) throw new Error(`mail ${ordinal} was answered by ${answer.status} ${JSON.stringify(answer.body)}`);
  const { id } = operation.parse(answer.body);
  await ledger.append({ type: 'acknowledged', ordinal, id, at: Date.now() });
  onAcknowledged();
  if (cancelAfterMs !== undefined) {
    if (hold === undefined) await load.pause(cancelAfterMs);
    else await Promise.race([hold.reached, load.pause(MAX_WAIT_FOR_BODY_MS)]);
    const { status } = await load.ask('POST', `/v1/operations/${id}/cancel`, { body: { reason: 'chaos' } });
    await ledger.append({ type: 'cancelAsked', id, answer: status, at: Date.now() });
    if (hold !== undefined) load.pause(BODY_AFTER_CANCEL_MS).then(hold.release, hold.release);
  }
  let pauseMs = cancelAfterMs === undefined ? FIRST_LOOK_MS : CANCELLED_LOOK_MS;
  for (; ; pauseMs = Math.min(pauseMs * 1.3, MAX_LOOK_MS)) {
    const { status, body: found } = await load.ask('GET', `/v1/operations/${id}`);
    const ended = status === 200 ? operation.parse(found).status : `answer ${status}`;
    if (status !== 200 || TERMINAL.has(ended)) {
      await ledger.append({ type: 'ended', id, status: ended, at: Date.now() });
      break;
    }
    await load.pause(pauseMs);
  }
  if (notify !== undefined) await untilTold(load, id);
}

/** A mail is over when the mails about its end are, so that nothing of it is under way when it is judged. */
async function untilTold(load: Load, id: string): Promise<void> {
  for (;;) {
    const { body } = await load.ask('GET', `/v1/operations?tag=notify&text=notify:${id}:`);
    const { data } = operations.parse(body);
    if (data.length > 0 && data.every(({ status }) => TERMINAL.has(status))) return;
    await load.pause(MAX_LOOK_MS);
  }
}
