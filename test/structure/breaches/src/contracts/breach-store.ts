import type { EmailStore } from '../store/email.ts';

export type Breach = EmailStore;
