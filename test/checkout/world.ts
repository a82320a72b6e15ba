import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import type { Fulfilment, FulfilmentReport } from '../../src/adapters/fulfilment.ts';
import { createMailer } from '../../src/adapters/mailer.ts';
import { createPayments } from '../../src/adapters/payments.ts';
import type { Cart } from '../../src/contracts/checkout/carts.ts';
import type { Order } from '../../src/contracts/checkout/orders.ts';
import type { Operation } from '../../src/contracts/operation.ts';
import { type PaymentJobs, startPaymentJobs } from '../../src/control/payments.ts';
import { type Answer, type Api, startApi } from '../api/fixture.ts';
import { type Core, startCore } from '../support/core.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { useGround } from '../support/ground.ts';
import { type SmtpScriptServer, startSmtpScript } from '../support/smtp-script.ts';
import { type OpenTwin, openTwin } from '../support/stripe-twin.ts';

const TIMEOUT_MS = 150_000;
/** Here each request has a key of its own. */
const MOVES_MONEY = /\/(?:checkout|refunds|retry)$/;

export interface ShopOptions {
  /** Whether the provider tells what happens. */
  readonly hasWebhooks?: boolean;
  /** How often payments are compared. */
  readonly reconcileMs?: number;
  /** How long buyers may take. */
  readonly payWithinMs?: number;
  /** When buyers who agreed to it are reminded; default: as the product does. */
  readonly cartReminders?: string;
}

export interface Shop {
  core(): Core;
  api(): Api;
  twin(): OpenTwin;
  mailbox(): SmtpScriptServer;
  tenant(): { readonly id: string; readonly key: string };
  /** What whoever ships says next, when they say it; afterwards they accept. */
  fulfilment(...reports: readonly (FulfilmentReport | Promise<FulfilmentReport>)[]): void;
  call(method: string, path: string, body?: unknown): Promise<Answer>;
  /** Puts a product on sale. */
  product(sku: string, stock?: number, prices?: readonly object[]): Promise<void>;
  cart(body?: object): Promise<Cart>;
  /** A cart of one product that was checked out. */
  order(checkout?: object, cart?: object): Promise<Operation>;
  /** Waits until the order is in one of these states. */
  reaches(orderId: string, ...states: readonly string[]): Promise<Order>;
  /** Waits until the operation has one of these statuses. */
  ends(operationId: string, ...statuses: readonly string[]): Promise<Operation>;
  /** Pieces left of a product. */
  stock(sku: string): Promise<{ readonly stock: number; readonly available: number }>;
  balance(account: string, currency?: string): Promise<number>;
}

/** A shop: HTTP, core and workers in this process, a simulator of Stripe and a mail server. */
export function useShop(options: ShopOptions = {}): Shop {
  let core: Core;
  let api: Api;
  let twin: OpenTwin;
  let mailbox: SmtpScriptServer;
  let jobs: PaymentJobs;
  let tenant: { readonly id: string; readonly key: string };
  let planned: (FulfilmentReport | Promise<FulfilmentReport>)[] = [];
  const fulfilment: Fulfilment = {
    fulfil: ({ key }) => Promise.resolve(planned.shift() ?? { outcome: 'accepted', reference: `test-${key}` }),
  };

  before(async () => {
    const port = await freePort();
    const ground = await useGround();
    twin = await openTwin(options.hasWebhooks === false ? {} : { webhookUrl: `http://127.0.0.1:${port}/hooks/stripe` });
    mailbox = await startSmtpScript({ fault: () => undefined });
    const payments = createPayments(twin.account);
    const payWithinMs = options.payWithinMs ?? 1_800_000;
    core = await startCore(ground, {
      ...{ payments, fulfilment, mailer: createMailer({ smtpUrl: mailbox.url }) },
      environment: {
        PAY_WITHIN: `${payWithinMs / 1_000}s`,
        ...(options.cartReminders === undefined ? {} : { CART_REMINDERS: options.cartReminders }),
      },
    });
    const { store, paymentSync, clock, log } = core.deps;
    jobs = startPaymentJobs({ store, payments: paymentSync, clock, log, reconcileMs: options.reconcileMs ?? 300_000 });
    api = await startApi({ store, payments, payWithinMs, wakePayments: jobs.wake }, ground, port);
    tenant = await api.newTenant();
    await product('gear', 1_000);
  });
  after(async () => {
    await api[Symbol.asyncDispose]();
    await jobs[Symbol.asyncDispose]();
    await core[Symbol.asyncDispose]();
    await twin[Symbol.asyncDispose]();
    await mailbox[Symbol.asyncDispose]();
  });

  const call: Shop['call'] = (method, path, body) => {
    const headers = method === 'POST' && MOVES_MONEY.test(path) ? { 'Idempotency-Key': crypto.randomUUID() } : {};
    return api.call(method, path, { key: tenant.key, body, headers });
  };

  async function product(sku: string, stock = 100, prices: readonly object[] = PRICES): Promise<void> {
    const answer = await call('PUT', `/v1/products/${sku}`, { name: `A ${sku}`, prices, taxPercent: 19, stock });
    assert.ok(answer.status === 201 || answer.status === 200, answer.text);
  }

  async function cart(body: object = {}): Promise<Cart> {
    const answer = await call('POST', '/v1/carts', { currency: 'EUR', items: [{ sku: 'gear', quantity: 1 }], ...body });
    assert.equal(answer.status, 201, answer.text);
    const { id } = answer.body;
    const contact = await call('PUT', `/v1/carts/${id}/contact`, { email: 'ada@example.com', name: 'Ada', locale: 'en' });
    assert.equal(contact.status, 200, contact.text);
    return contact.body as Cart; // what the route answers
  }

  return {
    core: () => core,
    api: () => api,
    twin: () => twin,
    mailbox: () => mailbox,
    tenant: () => tenant,
    fulfilment: (...reports) => {
      planned = [...reports];
    },
    call,
    product,
    cart,
    async order(checkout = {}, body = {}) {
      const { id, quote } = await cart(body);
      const answer = await call('POST', `/v1/carts/${id}/checkout`, { quoteHash: quote.quoteHash, ...checkout });
      assert.equal(answer.status, 202, answer.text);
      return answer.body as Operation; // what the route answers
    },
    reaches: (orderId, ...states) =>
      eventually(
        async () => {
          const { body } = await call('GET', `/v1/orders/${orderId}`);
          assert.ok(states.includes(body.state), `${body.state} ${JSON.stringify(body.payment)} ${JSON.stringify(body.stuck)}`);
          return body as Order; // what the route answers
        },
        { timeoutMs: TIMEOUT_MS },
      ),
    ends: (operationId, ...statuses) =>
      eventually(
        async () => {
          const { body } = await call('GET', `/v1/operations/${operationId}`);
          assert.ok(statuses.includes(body.status), `${body.status} ${body.phase} ${JSON.stringify(body.error)}`);
          return body as Operation; // what the route answers
        },
        { timeoutMs: TIMEOUT_MS },
      ),
    async stock(sku) {
      const { body } = await call('GET', '/v1/products?limit=200');
      const found = body.data.find((one: { sku: string }) => one.sku === sku);
      return { stock: found.stock, available: found.available };
    },
    async balance(account, currency = 'EUR') {
      const { body } = await call('GET', '/v1/ledger/balance');
      const rows: readonly { account: string; currency: string; balance: number }[] = body.accounts;
      return rows.find((row) => row.account === account && row.currency === currency)?.balance ?? 0;
    },
  };
}

const PRICES = [
  { amount: 1990, currency: 'EUR' },
  { amount: 3200, currency: 'JPY' },
  { amount: 6250, currency: 'KWD' },
];
