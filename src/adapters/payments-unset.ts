import type { Answer, Outcome, Payments } from './payments.ts';

const NOT_DONE: Outcome<never> = { outcome: 'not_done', reason: 'credentials' };
const UNKNOWN: Answer<never> = { outcome: 'unknown', reason: 'no account is set' };

/** No account is set: nothing is taken, and what waits for a payment goes on when there is one. */
export function createUnsetPayments(): Payments {
  const change = () => Promise.resolve(NOT_DONE);
  const ask = () => Promise.resolve(UNKNOWN);
  return {
    mode: 'test',
    publishableKey: '',
    settleMs: 0,
    createIntent: change,
    updateIntent: change,
    confirmIntent: change,
    captureIntent: change,
    cancelIntent: change,
    retrieveIntent: ask,
    findIntent: ask,
    listIntents: ask,
    createRefund: change,
    retrieveRefund: ask,
    listRefunds: ask,
    listRefundNames: ask,
    listBalanceTransactions: ask,
    listEvents: ask,
    checkWebhook: () => ({ isGenuine: false, reason: 'signature' }),
  };
}
