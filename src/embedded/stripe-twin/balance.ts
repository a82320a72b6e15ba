import type Stripe from 'stripe';
import { ok } from './call.ts';
import type { Answer, Call } from './call.ts';
import { missing } from './errors.ts';
import { listed } from './lists.ts';

export function retrieveBalance({ work, parameters }: Call): Answer {
  parameters.done();
  const now = work.clock.nowSeconds();
  const transactions = work.all('balance_transaction');
  const currencies = [...new Set(transactions.map(({ currency }) => currency))];
  const sum = (currency: string, isWanted: (one: Stripe.BalanceTransaction) => boolean) => ({
    currency,
    amount: transactions.filter((one) => one.currency === currency && isWanted(one)).reduce((total, one) => total + one.net, 0),
  });
  return ok({
    object: 'balance',
    available: currencies.map((currency) => sum(currency, (one) => one.available_on <= now)),
    livemode: false,
    pending: currencies.map((currency) => sum(currency, (one) => one.available_on > now)),
  } satisfies Stripe.Balance);
}

export function retrieveBalanceTransaction({ work, id, parameters }: Call): Answer {
  parameters.done();
  const found = work.get('balance_transaction', id);
  if (found === undefined) throw missing('balance_transaction', id);
  return ok(shownAt(found, work.clock.nowSeconds()));
}

export function listBalanceTransactions({ work, parameters }: Call): Answer {
  const source = parameters.text('source');
  const type = parameters.text('type');
  const currency = parameters.text('currency');
  const now = work.clock.nowSeconds();
  const isWanted = (one: Stripe.BalanceTransaction) =>
    (source == null || one.source === source) && (type == null || one.type === type) && (currency == null || one.currency === currency);
  const all = work.all('balance_transaction').map((one) => shownAt(one, now));
  return ok(listed(all, parameters, { url: '/v1/balance_transactions', filter: isWanted }));
}

export function retrieveCharge({ work, id, parameters }: Call): Answer {
  parameters.done();
  return ok(work.charge(id));
}

export function listCharges({ work, parameters }: Call): Answer {
  const intent = parameters.text('payment_intent');
  const customer = parameters.text('customer');
  const isWanted = (one: Stripe.Charge) =>
    (intent == null || one.payment_intent === intent) && (customer == null || one.customer === customer);
  return ok(listed(work.all('charge'), parameters, { url: '/v1/charges', filter: isWanted }));
}

function shownAt(transaction: Stripe.BalanceTransaction, nowSeconds: number): Stripe.BalanceTransaction {
  return { ...transaction, status: transaction.available_on <= nowSeconds ? 'available' : 'pending' };
}
