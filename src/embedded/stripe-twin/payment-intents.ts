import type Stripe from 'stripe';
import { CURRENCIES, LARGEST_AMOUNT, smallestAmount } from '../../contracts/currencies.ts';
import { ok } from './call.ts';
import type { Answer, Call } from './call.ts';
import { confirm, readConfirmation } from './confirming.ts';
import { impossible, invalid, missing } from './errors.ts';
import { requireWhole } from './fractions.ts';
import { intentFor, publicView } from './intent-access.ts';
import { listed } from './lists.ts';
import { newIntent } from './objects.ts';
import { mergeMetadata } from './parameters.ts';
import type { Parameters } from './parameters.ts';
import { takePaymentMethod } from './payment-methods.ts';

const CAPTURE_METHODS = ['automatic', 'automatic_async', 'manual'] as const;
const USAGES = ['off_session', 'on_session'] as const;
const UPDATABLE: ReadonlySet<string> = new Set(['requires_payment_method', 'requires_confirmation', 'requires_action']);

export function createIntent(call: Call): Answer {
  const { work, parameters } = call;
  const currency = readCurrency(parameters.requiredText('currency'));
  const amount = readAmount(parameters.requiredInteger('amount'), currency);
  const captureMethod = parameters.oneOf('capture_method', CAPTURE_METHODS) ?? 'automatic_async';
  const confirmationMethod = parameters.oneOf('confirmation_method', ['automatic', 'manual'] as const) ?? 'automatic';
  const given = { ...readCommon(call), ...readMethods(parameters), confirmation_method: confirmationMethod };
  const shouldConfirm = parameters.flag('confirm') ?? false;
  const confirmation = readConfirmation(parameters);
  if (!shouldConfirm && confirmation.isOffSession)
    throw invalid('off_session can only be used with confirm=true.', { param: 'off_session' });
  parameters.done();
  const created = newIntent({ amount, currency, created: work.clock.nowSeconds(), captureMethod, given });
  const method = confirmation.paymentMethod === undefined ? undefined : takePaymentMethod(work, confirmation.paymentMethod, created);
  const intent = method === undefined ? created : ({ ...created, payment_method: method.id, status: 'requires_confirmation' } as const);
  work.put('payment_intent', intent);
  work.emit('payment_intent.created', intent);
  return shouldConfirm ? confirm(call, intent, { ...confirmation, paymentMethod: undefined }) : ok(intent);
}

export function updateIntent(call: Call): Answer {
  const { work, parameters, id } = call;
  const intent = work.intent(id);
  const newCurrency = parameters.text('currency');
  const currency = typeof newCurrency === 'string' ? readCurrency(newCurrency) : intent.currency;
  const newAmount = parameters.integer('amount');
  const amount = newAmount === undefined && currency === intent.currency ? intent.amount : readAmount(newAmount ?? intent.amount, currency);
  const captureMethod = parameters.oneOf('capture_method', CAPTURE_METHODS) ?? intent.capture_method;
  const methodId = parameters.text('payment_method');
  const common = readCommon(call, intent);
  parameters.done();
  const isUpdatable = UPDATABLE.has(intent.status);
  const changesMoney = amount !== intent.amount || currency !== intent.currency || typeof methodId === 'string';
  if (!isUpdatable && changesMoney) {
    throw impossible(`This PaymentIntent's amount could not be updated because it has a status of ${intent.status}.`, {
      code: 'payment_intent_unexpected_state',
      payment_intent: intent,
    });
  }
  const method = typeof methodId === 'string' ? takePaymentMethod(work, methodId, intent) : undefined;
  const methodNow = method?.id ?? intent.payment_method;
  const status = !isUpdatable || !changesMoney ? intent.status : methodNow === null ? 'requires_payment_method' : 'requires_confirmation';
  const nextAction = status === intent.status ? intent.next_action : null;
  const updated = { ...intent, ...common, amount, currency, capture_method: captureMethod, payment_method: methodNow, status };
  work.put('payment_intent', { ...updated, next_action: nextAction });
  return ok({ ...updated, next_action: nextAction });
}

export function retrieveIntent(call: Call): Answer {
  const { parameters, access } = call;
  const intent = intentFor(call);
  parameters.done();
  return ok(access === 'secret' ? intent : publicView(intent));
}

export function listIntents({ work, parameters }: Call): Answer {
  const customer = parameters.text('customer');
  return ok(
    listed(work.all('payment_intent'), parameters, {
      url: '/v1/payment_intents',
      filter: (one) => customer == null || one.customer === customer,
    }),
  );
}

function readCurrency(text: string): string {
  const currency = text.toLowerCase();
  if (CURRENCIES.has(currency.toUpperCase())) return currency;
  throw invalid(`Invalid currency: ${currency.slice(0, 10)}.`, { param: 'currency' });
}

function readAmount(amount: number, currency: string): number {
  if (amount <= 0) throw invalid('Invalid positive integer', { code: 'parameter_invalid_integer', param: 'amount' });
  const smallest = smallestAmount(currency.toUpperCase());
  if (amount < smallest) throw invalid(`Amount must be at least ${smallest} ${currency}`, { code: 'amount_too_small', param: 'amount' });
  if (amount > LARGEST_AMOUNT)
    throw invalid(`Amount must be no more than ${LARGEST_AMOUNT} ${currency}`, { code: 'amount_too_large', param: 'amount' });
  requireWhole(amount, currency, 'amount');
  return amount;
}

function readMethods(parameters: Parameters): Partial<Stripe.PaymentIntent> {
  const automatic = parameters.nested('automatic_payment_methods', (inner) => ({
    enabled: inner.flag('enabled') ?? true,
    allow_redirects: inner.oneOf('allow_redirects', ['always', 'never'] as const) ?? 'always',
  }));
  const allowed = parameters.texts('allowed_payment_method_types');
  const excluded = parameters.texts('excluded_payment_method_types');
  if (allowed !== undefined && automatic !== undefined) {
    throw invalid('You may only specify one of these parameters: allowed_payment_method_types, automatic_payment_methods.', {
      code: 'parameters_exclusive',
      param: 'allowed_payment_method_types',
    });
  }
  return {
    ...(automatic === undefined ? {} : { automatic_payment_methods: automatic }),
    ...(allowed === undefined ? {} : { allowed_payment_method_types: [...allowed], automatic_payment_methods: null }),
    ...(excluded === undefined ? {} : { excluded_payment_method_types: [...excluded] }),
  };
}

function readCommon({ work, parameters }: Call, before?: Stripe.PaymentIntent): Partial<Stripe.PaymentIntent> {
  const text = (name: 'description' | 'receipt_email' | 'statement_descriptor' | 'statement_descriptor_suffix' | 'transfer_group') => {
    const value = parameters.text(name);
    return value === undefined ? {} : { [name]: value };
  };
  const customer = parameters.text('customer');
  if (typeof customer === 'string' && work.get('customer', customer) === undefined) throw missing('customer', customer, 'customer');
  const usage = parameters.oneOf('setup_future_usage', USAGES);
  return {
    ...text('description'),
    ...text('receipt_email'),
    ...text('statement_descriptor'),
    ...text('statement_descriptor_suffix'),
    ...text('transfer_group'),
    ...(customer === undefined ? {} : { customer }),
    ...(usage === undefined ? {} : { setup_future_usage: usage }),
    metadata: mergeMetadata(before?.metadata ?? {}, parameters.metadata()),
  };
}
