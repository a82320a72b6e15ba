import type { EmailStore } from '../store/email.ts';
import { createEmailStore } from '../store/email.ts';

export const breach: () => EmailStore | typeof createEmailStore = () => createEmailStore;
