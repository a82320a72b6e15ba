import type Stripe from 'stripe';
import { createAsk, NotBegunError } from './payments-stripe-client.ts';
import type { Ask } from './payments-stripe-client.ts';
import { METADATA, readBalanceTransaction, readEvent, readIntent, readRefund, readRefundName } from './payments-stripe-objects.ts';
import type { Read } from './payments-stripe-objects.ts';
import { answerOf, outcomeOf } from './payments-stripe-outcome.ts';
import { checkWebhook } from './payments-stripe-webhook.ts';
import type {
  Answer,
  FindByKey,
  Outcome,
  PageRequest,
  PaymentCall,
  PaymentIntent,
  PaymentPage,
  Payments,
  PaymentsSettings,
} from './payments.ts';

const INTENT_PARTS = ['latest_charge.balance_transaction'];
const REFUND_PARTS = ['balance_transaction', 'failure_balance_transaction'];
const PAGE_SIZE = 100;
/** Difference between our clock and Stripe's that a search by time allows for. */
const CLOCK_MARGIN_MS = 60_000;
/** A search looks through this many pages of its time span; beyond, nothing is known. */
const MAX_PAGES = 30;
/** After a lost answer Stripe may still be at it. */
const SETTLE_MS = 2_000;
const MAX_KNOWN = 10_000;
const FOREIGN = { outcome: 'refused', refusal: { kind: 'missing', code: 'foreign', text: 'There is no such payment.' } } as const;

/** Payments by Stripe, or by what speaks as Stripe does. */
export function createStripePayments(settings: PaymentsSettings): Payments {
  const driver = new StripeDriver(createAsk(settings));
  const isLive = settings.secretKey.includes('_live_');
  return {
    mode: settings.simulatorUrl === undefined ? (isLive ? 'live' : 'test') : 'simulated',
    publishableKey: settings.publishableKey,
    settleMs: SETTLE_MS,
    createIntent: (request) => driver.createIntent(request),
    updateIntent: (request) =>
      driver.changeIntent(request, (stripe, options) =>
        stripe.paymentIntents.update(request.intentId, { ...moneyOf(request.money), expand: INTENT_PARTS }, options),
      ),
    confirmIntent: (request) =>
      driver.changeIntent(request, (stripe, options) => {
        const method = request.paymentMethod === undefined ? {} : { payment_method: request.paymentMethod };
        return stripe.paymentIntents.confirm(request.intentId, { ...method, return_url: request.returnUrl, expand: INTENT_PARTS }, options);
      }),
    captureIntent: (request) =>
      driver.changeIntent(request, (stripe, options) => {
        const amount = request.amount === undefined ? {} : { amount_to_capture: request.amount };
        return stripe.paymentIntents.capture(request.intentId, { ...amount, expand: INTENT_PARTS }, options);
      }),
    cancelIntent: (request) =>
      driver.changeIntent(request, (stripe, options) => stripe.paymentIntents.cancel(request.intentId, { expand: INTENT_PARTS }, options)),
    retrieveIntent: (id) => driver.retrieveIntent(id),
    findIntent: (request) => driver.findIntent(request),
    listIntents: (request) => driver.listIntents(request),
    createRefund: (request) => driver.createRefund(request),
    retrieveRefund: (id) =>
      driver.read({ read: (value) => readRefund(value), id }, (stripe) => stripe.refunds.retrieve(id, { expand: REFUND_PARTS })),
    listRefunds: (request) => {
      const ofIntent = request.intentId === undefined ? {} : { payment_intent: request.intentId };
      return driver.list(
        (value) => readRefund(value, request.owner),
        (stripe) => stripe.refunds.list({ ...pageOf(request), ...ofIntent, expand: REFUND_PARTS.map(inList) }),
      );
    },
    listRefundNames: (request) => driver.list(readRefundName, (stripe) => stripe.refunds.list(pageOf(request))),
    listBalanceTransactions: (request) => {
      const ofSource = request.sourceId === undefined ? {} : { source: request.sourceId };
      return driver.list(readBalanceTransaction, (stripe) => stripe.balanceTransactions.list({ ...pageOf(request), ...ofSource }));
    },
    listEvents: (request) => {
      const undelivered = request.isUndelivered === true ? { delivery_success: false } : {};
      return driver.list(readEvent, (stripe) => stripe.events.list({ ...pageOf(request), ...undelivered }));
    },
    checkWebhook: (delivery) => checkWebhook(delivery, { secrets: settings.webhookSecrets, isLive }),
  };
}

/** What an answer must be about, beside being what it says. */
interface Expected<T> {
  readonly read: (value: unknown) => Read<T>;
  readonly id?: string;
  readonly isAsWanted?: (value: T) => boolean;
}

class StripeDriver {
  readonly #ask: Ask;
  /** Payments that are known to be ours; those of others are never changed. The oldest are forgotten, and asked for again. */
  readonly #ours = new Set<string>();

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  async createIntent(request: Parameters<Payments['createIntent']>[0]): Promise<Outcome<PaymentIntent>> {
    const { money, captureMethod, owner, key, description } = request;
    const expected: Expected<PaymentIntent> = {
      read: readIntent,
      isAsWanted: (made) => made.key === key && made.money.amount === money.amount && made.money.currency === money.currency,
    };
    const outcome = await this.#change(request, expected, (stripe, options) =>
      stripe.paymentIntents.create(
        {
          ...moneyOf(money),
          capture_method: captureMethod,
          automatic_payment_methods: { enabled: true },
          metadata: { [METADATA.tenant]: owner.tenantId, [METADATA.order]: owner.orderId, [METADATA.key]: key },
          ...(description === undefined ? {} : { description }),
          expand: INTENT_PARTS,
        },
        options,
      ),
    );
    if (outcome.outcome === 'done') this.#remember(outcome.value.id);
    return outcome;
  }

  async changeIntent(
    request: PaymentCall & { readonly intentId: string },
    change: (stripe: Stripe, options: Stripe.RequestOptions) => Promise<Stripe.Response<Stripe.PaymentIntent>>,
  ): Promise<Outcome<PaymentIntent>> {
    const obstacle = await this.#checkOurs(request.intentId);
    return obstacle ?? this.#change(request, { read: readIntent, id: request.intentId }, change);
  }

  async createRefund(request: Parameters<Payments['createRefund']>[0]): ReturnType<Payments['createRefund']> {
    const { intentId, amount, reason, owner, key } = request;
    const obstacle = await this.#checkOurs(intentId);
    if (obstacle !== undefined) return obstacle;
    const isAsWanted = (made: { readonly key: string; readonly intentId: string; readonly money: { readonly amount: number } }) =>
      made.key === key && made.intentId === intentId && (amount === undefined || made.money.amount === amount);
    return this.#change(request, { read: (value) => readRefund(value), isAsWanted }, (stripe, options) =>
      stripe.refunds.create(
        {
          payment_intent: intentId,
          metadata: { [METADATA.tenant]: owner.tenantId, [METADATA.order]: owner.orderId, [METADATA.key]: key },
          ...(amount === undefined ? {} : { amount }),
          ...(reason === undefined ? {} : { reason }),
          expand: REFUND_PARTS,
        },
        options,
      ),
    );
  }

  async retrieveIntent(id: string): Promise<Answer<PaymentIntent>> {
    const answer = await this.read({ read: readIntent, id }, (stripe) => stripe.paymentIntents.retrieve(id, { expand: INTENT_PARTS }));
    if (answer.outcome === 'found') this.#remember(id);
    return answer;
  }

  listIntents(request: PageRequest): Promise<Answer<PaymentPage<PaymentIntent>>> {
    return this.list(readIntent, (stripe) => stripe.paymentIntents.list({ ...pageOf(request), expand: INTENT_PARTS.map(inList) }));
  }

  /** Lists are up to date at once; Stripe's search is not, and would not see what was made a moment ago. */
  async findIntent({ key, createdFrom, createdTo }: FindByKey): Promise<Answer<PaymentIntent>> {
    const span = {
      createdFrom: new Date(Date.parse(createdFrom) - CLOCK_MARGIN_MS).toISOString(),
      ...(createdTo === undefined ? {} : { createdTo: new Date(Date.parse(createdTo) + CLOCK_MARGIN_MS).toISOString() }),
    };
    let after: { readonly after?: string } = {};
    for (let page = 0; page < MAX_PAGES; page++) {
      const answer = await this.listIntents({ ...span, ...after });
      if (answer.outcome !== 'found') return answer;
      const found = answer.value.items.find((intent) => intent.key === key);
      if (found !== undefined) {
        this.#remember(found.id);
        return { outcome: 'found', value: found };
      }
      if (answer.value.next === undefined) return { outcome: 'absent' };
      after = { after: answer.value.next };
    }
    return { outcome: 'unknown', reason: 'too_many_to_search' };
  }

  async read<T>(expected: Expected<T>, request: (stripe: Stripe) => Promise<Stripe.Response<object>>): Promise<Answer<T>> {
    try {
      const response = await this.#ask({}, request);
      const read = checked(response, expected);
      if (read === undefined) return { outcome: 'unknown', reason: 'not_understood' };
      return read.value === 'foreign' ? { outcome: 'foreign' } : { outcome: 'found', value: read.value };
    } catch (error) {
      return answerOf(error);
    }
  }

  async list<T>(
    read: (value: unknown) => Read<T>,
    request: (stripe: Stripe) => Promise<Stripe.Response<Stripe.ApiList<{ readonly id: string }>>>,
  ): Promise<Answer<PaymentPage<T>>> {
    try {
      const response = await this.#ask({}, request);
      // Not only what the type says: see the guard of single objects.
      if (response.lastResponse.statusCode !== 200 || !Array.isArray(response.data))
        return { outcome: 'unknown', reason: 'not_understood' };
      const reads = response.data.map((item) => read(item));
      if (reads.includes(undefined)) return { outcome: 'unknown', reason: 'not_understood' };
      const items = reads.flatMap((one) => (one === undefined || one.value === 'foreign' ? [] : [one.value]));
      const last = response.data.at(-1);
      return { outcome: 'found', value: { items, ...(response.has_more && last !== undefined ? { next: last.id } : {}) } };
    } catch (error) {
      return answerOf(error);
    }
  }

  async #change<T>(
    call: PaymentCall,
    expected: Expected<T>,
    request: (stripe: Stripe, options: Stripe.RequestOptions) => Promise<Stripe.Response<object>>,
  ): Promise<Outcome<T>> {
    try {
      const response = await this.#ask(call, request);
      const isReplay = response.lastResponse.headers['idempotent-replayed'] === 'true';
      const read = checked(response, expected);
      if (read === undefined || read.value === 'foreign') return { outcome: 'unknown', reason: 'not_understood', isReplay };
      return { outcome: 'done', value: read.value, isReplay };
    } catch (error) {
      return error instanceof NotBegunError ? { outcome: 'not_done', reason: 'aborted' } : outcomeOf(error);
    }
  }

  /** Undefined when the payment is ours and may be changed. */
  async #checkOurs(intentId: string): Promise<Exclude<Outcome<never>, { readonly outcome: 'done' }> | undefined> {
    if (this.#ours.has(intentId)) return undefined;
    const answer = await this.retrieveIntent(intentId);
    if (answer.outcome === 'found') return undefined;
    if (answer.outcome === 'unknown') {
      const { retryAfterMs } = answer;
      return { outcome: 'not_done', reason: 'unreachable', ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
    }
    return FOREIGN;
  }

  #remember(intentId: string): void {
    this.#ours.add(intentId);
    const [oldest] = this.#ours;
    if (this.#ours.size > MAX_KNOWN && oldest !== undefined) this.#ours.delete(oldest);
  }
}

/** Stripe's client takes any JSON without an `error` for the object that was asked for, whatever its status. */
function checked<T>(response: Stripe.Response<object>, { read, id, isAsWanted }: Expected<T>): Read<T> {
  if (response.lastResponse.statusCode !== 200) return undefined;
  const found = read(response);
  if (found === undefined || found.value === 'foreign') return found;
  if (id !== undefined && !('id' in response && response.id === id)) return undefined;
  return isAsWanted === undefined || isAsWanted(found.value) ? found : undefined;
}

function moneyOf({ amount, currency }: { readonly amount: number; readonly currency: string }) {
  return { amount, currency: currency.toLowerCase() };
}

function pageOf({
  createdFrom,
  createdTo,
  after,
  limit = PAGE_SIZE,
}: PageRequest): Stripe.PaginationParams & { created?: Stripe.RangeQueryParam } {
  const created = {
    ...(createdFrom === undefined ? {} : { gte: Math.floor(Date.parse(createdFrom) / 1000) }),
    ...(createdTo === undefined ? {} : { lte: Math.floor(Date.parse(createdTo) / 1000) }),
  };
  return {
    limit: Math.min(limit, PAGE_SIZE),
    ...(after === undefined ? {} : { starting_after: after }),
    ...(createdFrom === undefined && createdTo === undefined ? {} : { created }),
  };
}

function inList(path: string): string {
  return `data.${path}`;
}
