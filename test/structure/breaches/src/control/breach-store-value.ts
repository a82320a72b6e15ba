import { createEmailStore } from '../store/email.ts';

export const breach = createEmailStore;
