import { createMailer } from '../adapters/mailer.ts';

export const breach = createMailer;
