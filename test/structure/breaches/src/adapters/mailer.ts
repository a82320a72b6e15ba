import { format } from 'node:util';
import type { EmailInput } from '../contracts/email.ts';

export interface Mailer {
  send(email: EmailInput): Promise<void>;
}

export function createMailer(port: number): Mailer {
  return { send: async (email) => void format(port, email.to) };
}
