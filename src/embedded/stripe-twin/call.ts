import type { Parameters } from './parameters.ts';
import type { Work } from './work.ts';

/** One request to Stripe's API, understood. */
export interface Call {
  readonly work: Work;
  /** Named in the path; '' where the path names none. */
  readonly id: string;
  readonly parameters: Parameters;
  /** A publishable key may do little, and only with the client secret of the object. */
  readonly access: 'secret' | 'publishable';
  /** Where browsers reach the simulator. */
  readonly baseUrl: string;
}

/** An answer that is kept and sent, also when it is a refusal that changed something. */
export interface Answer {
  readonly status: number;
  readonly body: object;
}

export type Handler = (call: Call) => Answer;

export function ok(body: object): Answer {
  return { status: 200, body };
}
