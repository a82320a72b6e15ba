import type { EmailInput } from '../email.ts';

export type Breach = EmailInput;
