import { email } from './workflows/email.ts';

export const breach = email;
