import { sql } from 'kysely';
import { uuidv7 } from 'uuidv7';
import type { Mailer } from '../adapters/mailer.ts';
import type { EmailInput } from '../contracts/email.ts';

export interface EmailStore {
  readonly mailer: Mailer;
  add(email: EmailInput): unknown;
}

export function createEmailStore(mailer: Mailer): EmailStore {
  return { mailer, add: (email) => sql`insert into email values (${uuidv7()}, ${email.to})` };
}
