import type { Mailer } from '../adapters/mailer.ts';

export type Breach = Mailer;
