import { connect } from 'node:net';
import type { EmailInput } from '../contracts/email.ts';

export interface Mailer {
  send(email: EmailInput): Promise<void>;
}

export function createMailer(port: number): Mailer {
  return { send: async (email) => void connect(port).end(email.to) };
}
