import type { CheckReasonCode } from '../../../src/contracts/files/reasons.ts';

/** A file that was made to do harm, or to look as if it did. */
export interface HostileFile {
  /** What it tries, for the test's messages. */
  readonly what: string;
  readonly fileName: string;
  readonly declaredType?: string;
  readonly content: () => Buffer;
  /** One of these must be among the reasons; empty: the file is odd but does no harm, and is accepted. */
  readonly reasons: readonly CheckReasonCode[];
}
