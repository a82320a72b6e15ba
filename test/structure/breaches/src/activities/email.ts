import type { Mailer } from '../adapters/mailer.ts';
import type { EmailInput } from '../contracts/email.ts';
import type { EmailStore } from '../store/email.ts';
import { effect } from './lib/effect.ts';

export function createEmailActivities(deps: { mailer: Mailer; store: EmailStore }) {
  return {
    async sendEmail(email: EmailInput): Promise<void> {
      effect();
      await deps.mailer.send(email);
    },
  };
}
