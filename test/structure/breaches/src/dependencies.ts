import { createMailer } from './adapters/mailer.ts';
import { config } from './config.ts';
import { createDispatcher } from './control/dispatcher.ts';
import { createEmailStore } from './store/email.ts';

export const dependencies = { mailer: createMailer(config.port), createDispatcher, createEmailStore };
