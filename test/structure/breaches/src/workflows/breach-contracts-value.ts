import { emailInput } from '../contracts/email.ts';

export const breach = emailInput;
