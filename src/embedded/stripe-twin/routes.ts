import { listBalanceTransactions, listCharges, retrieveBalance, retrieveBalanceTransaction, retrieveCharge } from './balance.ts';
import type { Handler } from './call.ts';
import { cancelIntent, captureIntent } from './capturing.ts';
import { confirmIntent } from './confirming.ts';
import { createCustomer, deleteCustomer, listCustomers, retrieveCustomer, updateCustomer } from './customers.ts';
import { listEvents, retrieveEvent } from './events.ts';
import { createIntent, listIntents, retrieveIntent, updateIntent } from './payment-intents.ts';
import {
  attachPaymentMethod,
  createPaymentMethod,
  detachPaymentMethod,
  listPaymentMethods,
  retrievePaymentMethod,
} from './payment-methods.ts';
import { cancelRefund, createRefund, listRefunds, retrieveRefund, updateRefund } from './refunds.ts';
import {
  createWebhookEndpoint,
  deleteWebhookEndpoint,
  listWebhookEndpoints,
  retrieveWebhookEndpoint,
  updateWebhookEndpoint,
} from './webhook-endpoints.ts';

/** A route of Stripe's API that is simulated. */
export interface Route {
  readonly handler: Handler;
  /** A browser may use it with the publishable key. */
  readonly isPublic: boolean;
}

const PUBLIC: ReadonlySet<string> = new Set(['GET /v1/payment_intents/:id', 'POST /v1/payment_intents/:id/confirm']);

const ROUTES: Readonly<Record<string, Handler>> = {
  'GET /v1/balance': retrieveBalance,
  'GET /v1/balance_transactions': listBalanceTransactions,
  'GET /v1/balance_transactions/:id': retrieveBalanceTransaction,
  'GET /v1/charges': listCharges,
  'GET /v1/charges/:id': retrieveCharge,
  'GET /v1/customers': listCustomers,
  'POST /v1/customers': createCustomer,
  'GET /v1/customers/:id': retrieveCustomer,
  'POST /v1/customers/:id': updateCustomer,
  'DELETE /v1/customers/:id': deleteCustomer,
  'GET /v1/customers/:id/payment_methods': listPaymentMethods,
  'GET /v1/events': listEvents,
  'GET /v1/events/:id': retrieveEvent,
  'GET /v1/payment_intents': listIntents,
  'POST /v1/payment_intents': createIntent,
  'GET /v1/payment_intents/:id': retrieveIntent,
  'POST /v1/payment_intents/:id': updateIntent,
  'POST /v1/payment_intents/:id/confirm': confirmIntent,
  'POST /v1/payment_intents/:id/capture': captureIntent,
  'POST /v1/payment_intents/:id/cancel': cancelIntent,
  'GET /v1/payment_methods': listPaymentMethods,
  'POST /v1/payment_methods': createPaymentMethod,
  'GET /v1/payment_methods/:id': retrievePaymentMethod,
  'POST /v1/payment_methods/:id/attach': attachPaymentMethod,
  'POST /v1/payment_methods/:id/detach': detachPaymentMethod,
  'GET /v1/refunds': listRefunds,
  'POST /v1/refunds': createRefund,
  'GET /v1/refunds/:id': retrieveRefund,
  'POST /v1/refunds/:id': updateRefund,
  'POST /v1/refunds/:id/cancel': cancelRefund,
  'GET /v1/webhook_endpoints': listWebhookEndpoints,
  'POST /v1/webhook_endpoints': createWebhookEndpoint,
  'GET /v1/webhook_endpoints/:id': retrieveWebhookEndpoint,
  'POST /v1/webhook_endpoints/:id': updateWebhookEndpoint,
  'DELETE /v1/webhook_endpoints/:id': deleteWebhookEndpoint,
};

/** The route of a request and the id in its path. */
export function findRoute(method: string, path: string): { readonly route: Route; readonly id: string } | undefined {
  const parts = path.split('/');
  const id = parts[3] ?? '';
  const name = `${method} ${[...parts.slice(0, 3), ...(id === '' ? [] : [':id']), ...parts.slice(4)].join('/')}`;
  const handler = Object.hasOwn(ROUTES, name) ? ROUTES[name] : undefined;
  return handler === undefined ? undefined : { route: { handler, isPublic: PUBLIC.has(name) }, id };
}
