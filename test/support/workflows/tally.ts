import { defineSignal } from '@temporalio/workflow';
import { type EntityInput, type EntityMessage, runEntity } from '../../../src/workflows/lib/entity.ts';

export interface TallyMessage extends EntityMessage {
  readonly amount: number;
}

export interface TallyState {
  readonly count: number;
  readonly sum: number;
  readonly goal: number;
  readonly runs: number;
}

export const add = defineSignal<[TallyMessage]>('add');

/** Counts and adds up what it is told until it was told `goal` things. */
export async function tally(input: EntityInput<TallyState, TallyMessage>): Promise<TallyState> {
  return runEntity({
    input: { ...input, state: { ...input.state, runs: input.state.runs + 1 } },
    signal: add,
    handle: (state, message) => ({ ...state, count: state.count + 1, sum: state.sum + message.amount }),
    isDone: (state) => state.count >= state.goal,
  });
}
