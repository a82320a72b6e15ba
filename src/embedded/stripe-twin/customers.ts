import type Stripe from 'stripe';
import { ok } from './call.ts';
import type { Answer, Call } from './call.ts';
import { missing } from './errors.ts';
import { listed } from './lists.ts';
import { newCustomer } from './objects.ts';
import { mergeMetadata } from './parameters.ts';
import type { Parameters } from './parameters.ts';
import type { Work } from './work.ts';

export function createCustomer({ work, parameters }: Call): Answer {
  const given = readCustomer(parameters);
  parameters.done();
  const customer = newCustomer(work.clock.nowSeconds(), given);
  work.put('customer', customer);
  work.emit('customer.created', customer);
  return ok(customer);
}

export function retrieveCustomer({ work, id, parameters }: Call): Answer {
  parameters.done();
  return ok(existing(work, id));
}

export function updateCustomer({ work, id, parameters }: Call): Answer {
  const before = existing(work, id);
  const given = readCustomer(parameters, before);
  parameters.done();
  const customer = { ...before, ...given };
  work.put('customer', customer);
  work.emit('customer.updated', customer);
  return ok(customer);
}

export function deleteCustomer({ work, id, parameters }: Call): Answer {
  parameters.done();
  const customer = existing(work, id);
  work.remove('customer', id);
  work.emit('customer.deleted', customer);
  return ok({ id, object: 'customer', deleted: true } satisfies Stripe.DeletedCustomer);
}

export function listCustomers({ work, parameters }: Call): Answer {
  const email = parameters.text('email');
  const isWanted = (one: Stripe.Customer) => email == null || one.email === email;
  return ok(listed(work.all('customer'), parameters, { url: '/v1/customers', filter: isWanted }));
}

function readCustomer(parameters: Parameters, before?: Stripe.Customer): Partial<Stripe.Customer> {
  const text = (name: 'description' | 'email' | 'name' | 'phone') => {
    const value = parameters.text(name);
    return value === undefined ? {} : { [name]: value };
  };
  return {
    ...text('description'),
    ...text('email'),
    ...text('name'),
    ...text('phone'),
    metadata: mergeMetadata(before?.metadata ?? {}, parameters.metadata()),
  };
}

function existing(work: Work, id: string): Stripe.Customer {
  const customer = work.get('customer', id);
  if (customer === undefined) throw missing('customer', id);
  return customer;
}
