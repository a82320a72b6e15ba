import {
  allHandlersFinished,
  condition,
  continueAsNew,
  defineQuery,
  setHandler,
  type SignalDefinition,
  workflowInfo,
} from '@temporalio/workflow';

/** Messages per run, well under the server's limits of 10,000 signals and 51,200 events. */
const MAX_MESSAGES_PER_RUN = 1_000;
const MAX_EVENTS_PER_RUN = 10_000;
/** Ids remembered to tell a message that was sent twice. A sender repeats itself within seconds, not thousands of messages later. */
const MAX_SEEN_IDS = 2_000;

/** How many messages the entity has handled in all its runs. Senders use it to keep what they have under way bounded. */
export const handledCount = defineQuery<number>('handledCount');

export interface EntityMessage {
  /** The sender's own id: sending again with the same id changes nothing. */
  readonly id: string;
}

/** What a run hands to the next one. `state` is the entity's own. */
export interface EntityInput<S, M extends EntityMessage> {
  readonly state: S;
  readonly seen?: readonly string[];
  readonly pending?: readonly M[];
  /** Messages that earlier runs have handled. */
  readonly handledBefore?: number;
}

export interface EntityPlan<S, M extends EntityMessage> {
  readonly input: EntityInput<S, M>;
  readonly signal: SignalDefinition<[M]>;
  /** Takes one message; called for one at a time, in the order of arrival. */
  readonly handle: (state: S, message: M) => S | Promise<S>;
  readonly isDone: (state: S) => boolean;
}

/**
 * A long-lived workflow that takes messages one by one. Before its history grows too large it continues as new, carrying its state, the
 * messages it has not handled and the ids it has seen, so that none is lost and none is handled twice.
 *
 * The server gives up a continue-as-new when a message arrives meanwhile, and the workflow tries again. A sender that never pauses
 * would keep it from ever succeeding, so senders keep a bounded number of unhandled messages (`handledCount`).
 */
export async function runEntity<S, M extends EntityMessage>({ input, signal, handle, isDone }: EntityPlan<S, M>): Promise<S> {
  let state = input.state;
  let handled = 0;
  const seen = new Set(input.seen ?? []);
  const queue: M[] = [...(input.pending ?? [])];
  setHandler(handledCount, () => (input.handledBefore ?? 0) + handled, { description: 'Messages handled in all runs.' });
  setHandler(signal, (message) => {
    if (seen.has(message.id)) return;
    seen.add(message.id);
    queue.push(message);
  });
  while (!isDone(state)) {
    await condition(() => queue.length > 0);
    const message = queue.shift();
    if (message === undefined) continue;
    state = await handle(state, message);
    handled += 1;
    if (handled < MAX_MESSAGES_PER_RUN && workflowInfo().historyLength < MAX_EVENTS_PER_RUN) continue;
    await condition(allHandlersFinished);
    if (isDone(state)) break;
    await continueAsNew<(next: EntityInput<S, M>) => Promise<S>>({
      state,
      seen: [...seen].slice(-MAX_SEEN_IDS),
      pending: queue,
      handledBefore: (input.handledBefore ?? 0) + handled,
    });
  }
  await condition(allHandlersFinished);
  return state;
}
