import {
  allHandlersFinished,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  proxyActivities,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { CartActivities } from '../../activities/checkout/cart.ts';
import { type CartLook, type CartRef, LOOK_AGAIN } from '../../contracts/pure/carts.ts';
import type { Asked } from '../../contracts/pure/messages.ts';
import { PROFILES } from '../lib/profiles.ts';

const looking = proxyLocalActivities<CartActivities>({ ...PROFILES.bookkeeping, summary: 'What is due' });
const mailing = proxyActivities<CartActivities>({ ...PROFILES.outside, summary: 'Remind' });

/** A look at the rows and a sleep are about eight events. */
const MAX_LOOKS_PER_RUN = 500;

/** Signal: something may be due earlier than what the workflow sleeps for. */
export const lookAgain = defineSignal<[Asked]>(LOOK_AGAIN);

/** What the workflow waits for, and until when. */
export const cartWaits = defineQuery<{ readonly waitsFor: string; readonly until: string | null }>('cartWaits');

/**
 * The time of one cart: the end of its holds, its reminders, word on its payment, its own end. What is due is in the rows; the workflow
 * sleeps until the next instant that they name and looks again, so changes that move it further away need no message. Signal: lookAgain.
 */
export async function cart(ref: CartRef): Promise<{ readonly why: string }> {
  let isWoken = false;
  let waits: { readonly waitsFor: string; readonly until: string | null } = { waitsFor: 'start', until: null };
  setHandler(
    lookAgain,
    () => {
      isWoken = true;
    },
    { description: 'Look at the cart again now.' },
  );
  setHandler(cartWaits, () => waits, { description: 'What the cart waits for.' });

  for (let looks = 0; looks < MAX_LOOKS_PER_RUN && !workflowInfo().continueAsNewSuggested; looks += 1) {
    isWoken = false;
    const found: CartLook = await looking.lookAtCart({ ref, nowMs: Date.now() });
    if (found.isDone) {
      setCurrentDetails(`**${found.why}**`);
      await condition(allHandlersFinished);
      return { why: found.why };
    }
    if (found.due !== undefined) {
      await mailing.mailCart({ ref, step: found.due, nowMs: Date.now() });
      continue;
    }
    const until = new Date(found.nextAtMs).toISOString();
    waits = { waitsFor: found.waitsFor, until };
    setCurrentDetails(`Until ${until}: **${found.waitsFor}**`);
    await condition(() => isWoken, Math.max(1, found.nextAtMs - Date.now()), { summary: found.waitsFor });
  }
  await condition(allHandlersFinished);
  return continueAsNew<typeof cart>(ref);
}
