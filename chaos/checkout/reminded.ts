import * as z from 'zod';
import type { Load } from '../lib/load.ts';
import { Cart, type Client } from './client.ts';
import type { Reminder } from './mailboxes.ts';
import type { Buyer } from './plan.ts';

const LOOK_INTO_MAIL_EVERY_MS = 200;
const REPEAT_AFTER_MS = 300;
const ANSWER_TIMEOUT_MS = 5_000;

const Recovery = z.object({ cart: Cart, token: z.string() });

/** A cart that its buyer came back to, and what the page behind the link was given to go on with it. */
export interface RecoveredCart {
  readonly cart: Cart;
  readonly token: string;
}

/** Goes, and comes back by the link of the first reminder. */
export async function comeBack(buyer: Buyer, cartId: string, client: Client): Promise<RecoveredCart> {
  const { recoveryUrl } = await leaveUntilReminded(buyer, cartId, client);
  const url = new URL('/v1/cart-recoveries', recoveryUrl);
  const init = { body: JSON.stringify({ token: recoveryUrl.searchParams.get('cart') }), headers: { 'Content-Type': 'application/json' } };
  const { status, text } = await post(url.href, init, client.load);
  if (status !== 200) throw new Error(`the recovery link of buyer ${buyer.ordinal} was answered by ${status} ${text}`);
  const { cart, token } = Recovery.parse(JSON.parse(text));
  if (cart.id !== cartId) throw new Error(`the recovery link of buyer ${buyer.ordinal} leads to the cart ${cart.id}, not to ${cartId}`);
  return { cart, token };
}

/** Goes, and wants no second reminder: the mail program does what it does on one click (RFC 8058), without any key. */
export async function unsubscribe(buyer: Buyer, cartId: string, client: Client): Promise<void> {
  const { unsubscribeUrl } = await leaveUntilReminded(buyer, cartId, client);
  const { status } = await post(unsubscribeUrl, { body: new URLSearchParams({ 'List-Unsubscribe': 'One-Click' }) }, client.load);
  if (status !== 200) throw new Error(`the unsubscription of buyer ${buyer.ordinal} was answered by ${status}`);
  await client.ledger.append({ type: 'optedOut', ordinal: buyer.ordinal, at: Date.now() });
}

async function leaveUntilReminded({ ordinal, email }: Buyer, cartId: string, client: Client): Promise<Reminder> {
  const { load, ledger, mailboxes, onAcknowledged } = client;
  await ledger.append({ type: 'left', ordinal, cartId, at: Date.now() });
  onAcknowledged();
  for (;;) {
    const reminder = mailboxes.reminderOf(email);
    if (reminder !== undefined) return reminder;
    await load.pause(LOOK_INTO_MAIL_EVERY_MS);
  }
}

/** As often as it takes until an answer comes that is no 5xx and no 429. */
async function post(
  url: string,
  init: Pick<RequestInit, 'body' | 'headers'>,
  load: Load,
): Promise<{ readonly status: number; readonly text: string }> {
  for (;;) {
    const answer = await fetch(url, { ...init, method: 'POST', signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) })
      .then(async (response) => ({ status: response.status, text: await response.text() }))
      .catch(() => undefined);
    if (answer !== undefined && answer.status < 500 && answer.status !== 429) return answer;
    load.repeats += 1;
    await load.pause(REPEAT_AFTER_MS);
  }
}
