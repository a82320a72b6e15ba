/** Names of the messages that every operation's workflow understands; features add their own in their contract. */
export const MESSAGES = { pause: 'pause', resume: 'resume', status: 'status' } as const;

/** What each signal, update and verb carries: who asked, and why. Plain JSON, so that the `temporal` CLI can send it. */
export interface Asked {
  readonly actor: string;
  readonly reason?: string;
}
