import type Stripe from 'stripe';
import { ok } from './call.ts';
import type { Answer, Call } from './call.ts';
import { impossible, invalid, missing } from './errors.ts';
import { INSTRUMENTS } from './instruments.ts';
import type { Instrument } from './instruments.ts';
import { listed } from './lists.ts';
import { newPaymentMethod } from './objects.ts';
import { mergeMetadata } from './parameters.ts';
import type { Work } from './work.ts';

type IntentTerms = Pick<Stripe.PaymentIntent, 'currency' | 'customer' | 'allowed_payment_method_types' | 'excluded_payment_method_types'>;

/**
 * The payment method of this id; for the id of a test instrument a new one each time, as Stripe does.
 * @throws {ApiError} when there is none, or the intent can't be paid by it
 */
export function takePaymentMethod(work: Work, id: string, terms: IntentTerms): Stripe.PaymentMethod {
  const method = INSTRUMENTS.has(id) ? makePaymentMethod(work, id) : existing(work, id);
  const { type } = method;
  const isAllowed = terms.allowed_payment_method_types?.includes(type) ?? true;
  const isExcluded = terms.excluded_payment_method_types?.includes(type) ?? false;
  if (!isAllowed || isExcluded || (type === 'sepa_debit' && terms.currency !== 'eur')) {
    throw invalid(`The PaymentMethod provided (${type}) is not allowed for this PaymentIntent, whose currency is ${terms.currency}.`, {
      code: 'payment_intent_incompatible_payment_method',
      param: 'payment_method',
    });
  }
  if (method.customer !== null && method.customer !== terms.customer) {
    throw invalid('The customer does not own this PaymentMethod: the PaymentIntent must have the same customer.', {
      param: 'payment_method',
    });
  }
  return method;
}

/**
 * What this method does when charged. One that belongs to no customer can be used once.
 * @throws {ApiError} when it was used before
 */
export function useInstrument(work: Work, method: Stripe.PaymentMethod): Instrument {
  const use = work.get('instrument', method.id);
  const instrument = INSTRUMENTS.get(use?.instrument ?? '');
  if (use === undefined || instrument === undefined) throw missing('payment_method', method.id, 'payment_method');
  if (use.isUsed && method.customer === null) {
    throw impossible(
      'This PaymentMethod was previously used without being attached to a Customer, or was detached from one, and may not be used again.',
    );
  }
  work.put('instrument', { ...use, isUsed: true });
  return instrument;
}

export function createPaymentMethod({ work, parameters }: Call): Answer {
  const type = parameters.requiredText('type');
  const token = parameters.nested('card', (card) => {
    if (card.has('number')) {
      throw invalid('Sending card numbers to the API is unsafe, and the simulator takes none: use the id of a test payment method.', {
        param: 'card[number]',
      });
    }
    return card.requiredText('token');
  });
  const id = token === undefined ? undefined : token.replace(/^tok_/, 'pm_card_');
  if (type !== 'card' || id === undefined || !INSTRUMENTS.has(id)) {
    throw invalid('The simulator makes payment methods of type card out of a test token only, such as tok_visa.', { param: 'type' });
  }
  const metadata = parameters.metadata();
  parameters.done();
  const method = { ...makePaymentMethod(work, id), metadata: mergeMetadata({}, metadata) };
  work.put('payment_method', method);
  return ok(method);
}

export function retrievePaymentMethod({ work, id, parameters }: Call): Answer {
  parameters.done();
  return ok(existing(work, id, 'payment_method'));
}

export function attachPaymentMethod({ work, id, parameters }: Call): Answer {
  const customer = parameters.requiredText('customer');
  parameters.done();
  if (work.get('customer', customer) === undefined) throw missing('customer', customer, 'customer');
  const method = INSTRUMENTS.has(id) ? makePaymentMethod(work, id) : existing(work, id, 'payment_method');
  if (method.customer !== null && method.customer !== customer) {
    throw impossible('The payment method you provided has already been attached to a customer.', { code: 'resource_already_exists' });
  }
  return changeOwner(work, method, customer);
}

export function detachPaymentMethod({ work, id, parameters }: Call): Answer {
  parameters.done();
  const method = existing(work, id, 'payment_method');
  if (method.customer === null)
    throw impossible('The payment method you provided is not attached to a customer so detachment is impossible.');
  return changeOwner(work, method, null);
}

export function listPaymentMethods({ work, parameters, id }: Call): Answer {
  const customer = id === '' ? parameters.text('customer') : id;
  const type = parameters.text('type');
  const url = id === '' ? '/v1/payment_methods' : `/v1/customers/${id}/payment_methods`;
  const isWanted = (one: Stripe.PaymentMethod) => one.customer !== null && one.customer === customer && (type == null || one.type === type);
  return ok(listed(work.all('payment_method'), parameters, { url, filter: isWanted }));
}

function changeOwner(work: Work, method: Stripe.PaymentMethod, customer: string | null): Answer {
  const changed = { ...method, customer };
  work.put('payment_method', changed);
  work.emit(customer === null ? 'payment_method.detached' : 'payment_method.attached', changed);
  return ok(changed);
}

function makePaymentMethod(work: Work, instrumentId: string): Stripe.PaymentMethod {
  const instrument = INSTRUMENTS.get(instrumentId);
  if (instrument === undefined) throw missing('PaymentMethod', instrumentId, 'payment_method');
  const method = newPaymentMethod(instrument, work.clock.nowSeconds());
  work.put('payment_method', method);
  work.put('instrument', { id: method.id, instrument: instrumentId, isUsed: false });
  return method;
}

function existing(work: Work, id: string, param = 'payment_method'): Stripe.PaymentMethod {
  const method = work.get('payment_method', id);
  if (method === undefined) throw missing('PaymentMethod', id, param);
  return method;
}
