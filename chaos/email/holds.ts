/** The longest that a body waits: less than a client of SMTP waits for an answer. */
const MAX_HOLD_MS = 4_000;

/** One mail whose cancel comes while the mail server has a body of it and has not taken it yet. */
export interface Hold {
  /** The server has a body. */
  readonly reached: Promise<void>;
  /** The server may go on. */
  release(): void;
}

/**
 * Bodies that the mail server keeps waiting until a cancel was asked for, and was or was not obeyed: the moment at which a mistake about
 * what is under way shows for sure, rather than when load and cancel happen to meet.
 */
export interface Holds {
  /** Of the mail that this recipient is of, once. Undefined: nothing to wait for. */
  body(recipient: string): Promise<void> | undefined;
  of(ordinal: number): Hold | undefined;
}

interface Held extends Hold {
  readonly reach: () => void;
  readonly released: Promise<void>;
}

export function createHolds(mails: readonly { readonly ordinal: number; readonly recipients: readonly string[] }[]): Holds {
  const byOrdinal = new Map<number, Held>();
  const byRecipient = new Map<string, Held>();
  for (const { ordinal, recipients } of mails) {
    const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const held = { reach: reached.resolve, reached: reached.promise, release: released.resolve, released: released.promise };
    byOrdinal.set(ordinal, held);
    for (const recipient of recipients) byRecipient.set(recipient, held);
  }
  const isOver = new Set<Held>();
  return {
    body(recipient) {
      const held = byRecipient.get(recipient);
      if (held === undefined || isOver.has(held)) return undefined;
      isOver.add(held);
      held.reach();
      return Promise.race([held.released, elapsed(MAX_HOLD_MS)]);
    },
    of: (ordinal) => byOrdinal.get(ordinal),
  };
}

function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
