/** Takes a transaction back and says why. */
export class RefusedError<T> extends Error {
  override readonly name = 'RefusedError';
  readonly why: T;

  constructor(why: T) {
    super('the transaction was refused');
    this.why = why;
  }
}

/** Why a transaction was taken back; any other error goes on. The caller throws `RefusedError<T>` alone. */
export function refusalOf<T>(error: unknown): T {
  // Only thrown by the caller, with what it answers.
  if (error instanceof RefusedError) return error.why as T;
  throw error;
}
