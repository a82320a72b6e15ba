import * as z from 'zod';
import { JournalEntry } from '../email/journal.ts';
import { readLedger } from '../lib/ledger.ts';
import type { Answer, Product } from '../lib/product.ts';
import { type ProviderEvidence, readProvider } from './journal.ts';
import type { Buyer } from './plan.ts';

const AT_ONCE = 8;
const TRIES = 20;

const LedgerEntry = z.discriminatedUnion('type', [
  z.object({ type: z.literal('left'), ordinal: z.number(), cartId: z.string(), at: z.number() }),
  z.object({ type: z.literal('soldOut'), ordinal: z.number(), at: z.number() }),
  z.object({ type: z.literal('optedOut'), ordinal: z.number(), at: z.number() }),
  z.object({ type: z.literal('acknowledged'), ordinal: z.number(), cartId: z.string(), ids: z.array(z.string()), at: z.number() }),
  z.object({ type: z.literal('seen'), ordinal: z.number(), id: z.string(), state: z.string(), at: z.number() }),
  z.object({ type: z.literal('ended'), ordinal: z.number(), id: z.string(), status: z.string(), at: z.number() }),
  z.object({
    type: z.literal('refundAsked'),
    ordinal: z.number(),
    id: z.string(),
    orderId: z.string(),
    amount: z.number().nullable(),
    at: z.number(),
  }),
  z.object({ type: z.literal('refundEnded'), ordinal: z.number(), id: z.string(), status: z.string(), at: z.number() }),
]);
export type LedgerEntry = z.infer<typeof LedgerEntry>;

const Operation = z.object({ status: z.string(), error: z.object({ code: z.string() }).optional() });
const Order = z.object({
  id: z.string(),
  state: z.string(),
  totalAmount: z.int(),
  currency: z.string(),
  capturedAmount: z.int(),
  refundedAmount: z.int(),
  stuck: z.object({ reason: z.string() }).optional(),
});
const Orders = z.object({ data: z.array(Order) });
const Timeline = z.object({
  data: z.array(z.object({ activity: z.string(), activityId: z.string(), runId: z.string(), attempt: z.number() })),
});
const Products = z.object({ data: z.array(z.object({ sku: z.string(), stock: z.int(), available: z.int() })) });
const Events = z.object({
  data: z.array(z.object({ type: z.string(), data: z.object({ orderId: z.string().optional(), state: z.string().optional() }) })),
  hasMore: z.boolean(),
  after: z.number(),
});
const Balance = z.object({ accounts: z.array(z.object({ account: z.string(), currency: z.string(), balance: z.int() })) });

/** What an order is shown as once money was taken for it. */
export const PAID_STATES: ReadonlySet<string> = new Set(['paid', 'partially_refunded', 'refunded']);

export interface RefundEvidence {
  readonly id: string;
  /** Null: all that was left. */
  readonly amount: number | null;
  readonly status: string;
}

/** One buyer who was told that there is an order. */
export interface OrderEvidence {
  readonly buyer: Buyer;
  readonly id: string;
  /** Orders that the API knows for the cart. */
  readonly orderIds: readonly string[];
  /** `missing` when the API does not know it. */
  readonly status: string;
  readonly error: string | undefined;
  readonly order: z.infer<typeof Order> | undefined;
  readonly refunds: readonly RefundEvidence[];
  readonly steps: z.infer<typeof Timeline>['data'];
  /** When the buyer was told that there is an order, in ms since 1970. */
  readonly acknowledgedAt: number;
  /** When a client saw money taken first, in ms since 1970. */
  readonly seenPaidAt: number | undefined;
  /** What a client saw, each state when it was another than before. */
  readonly seenStates: readonly string[];
  /** What the host application was told, by the events of the order: each state that it went through. */
  readonly toldStates: readonly string[];
}

export interface CheckoutEvidence {
  readonly buyers: readonly Buyer[];
  readonly orders: readonly OrderEvidence[];
  readonly left: ReadonlySet<number>;
  /** Who was told that there are no pieces left. */
  readonly soldOut: ReadonlySet<number>;
  /** When buyers were told that nobody reminds them any more. */
  readonly optedOutAt: ReadonlyMap<number, number>;
  readonly provider: ProviderEvidence;
  readonly mails: readonly JournalEntry[];
  readonly products: z.infer<typeof Products>['data'];
  readonly accounts: z.infer<typeof Balance>['accounts'];
}

export interface EvidenceSources {
  readonly product: Product;
  readonly buyers: readonly Buyer[];
  readonly ledgerFile: string;
  readonly mailFile: string;
  readonly providerEntries: readonly unknown[];
}

/** Reads the files, the provider's journal, and asks the API for everything; no memory of the run is used. */
export async function collectEvidence(sources: EvidenceSources): Promise<CheckoutEvidence> {
  const { product, buyers, ledgerFile, mailFile, providerEntries } = sources;
  const ledger = readLedger(ledgerFile).map((line) => LedgerEntry.parse(line));
  const acknowledged = ledger.flatMap((entry) => (entry.type === 'acknowledged' ? [entry] : []));
  const told = await readTold(product);
  const orders: OrderEvidence[] = [];
  for (let index = 0; index < acknowledged.length; index += AT_ONCE) {
    const page = acknowledged.slice(index, index + AT_ONCE).map((entry) => {
      const buyer = buyers[entry.ordinal];
      if (buyer === undefined) throw new Error(`the ledger has a buyer ${entry.ordinal} whom nobody planned`);
      return askAbout(product, buyer, { ...entry, ledger, told });
    });
    orders.push(...(await Promise.all(page)));
  }
  return {
    buyers,
    orders,
    left: new Set(ledger.flatMap((entry) => (entry.type === 'left' ? [entry.ordinal] : []))),
    soldOut: new Set(ledger.flatMap((entry) => (entry.type === 'soldOut' ? [entry.ordinal] : []))),
    optedOutAt: new Map(ledger.flatMap((entry) => (entry.type === 'optedOut' ? [[entry.ordinal, entry.at] as const] : []))),
    provider: readProvider(providerEntries),
    mails: readLedger(mailFile).map((line) => JournalEntry.parse(line)),
    products: Products.parse((await read(product, '/v1/products?limit=200')).body).data,
    accounts: Balance.parse((await read(product, '/v1/ledger/balance')).body).accounts,
  };
}

interface Acknowledged {
  readonly cartId: string;
  readonly ids: readonly string[];
  readonly at: number;
  readonly ledger: readonly LedgerEntry[];
  readonly told: ReadonlyMap<string, readonly string[]>;
}

async function askAbout(product: Product, buyer: Buyer, { cartId, ids, at, ledger, told }: Acknowledged): Promise<OrderEvidence> {
  const [id = ''] = ids;
  const [operation, order, ofCart, timeline] = [
    await read(product, `/v1/operations/${id}`),
    await read(product, `/v1/orders/${id}`),
    await read(product, `/v1/orders?cartId=${cartId}`),
    await read(product, `/v1/operations/${id}/timeline`),
  ];
  const isThere = operation.status === 200 && order.status === 200;
  const { status, error } = isThere ? Operation.parse(operation.body) : { status: 'missing', error: undefined };
  const asked = ledger.flatMap((entry) => (entry.type === 'refundAsked' && entry.orderId === id ? [entry] : []));
  const refunds: RefundEvidence[] = [];
  for (const { id: refundId, amount } of asked) {
    const found = await read(product, `/v1/operations/${refundId}`);
    refunds.push({ id: refundId, amount, status: found.status === 200 ? Operation.parse(found.body).status : 'missing' });
  }
  const seen = ledger.flatMap((entry) => (entry.type === 'seen' && entry.id === id ? [entry] : []));
  return {
    buyer,
    id,
    orderIds: [...new Set([...ids, ...Orders.parse(ofCart.body).data.map((one) => one.id)])],
    status,
    error: error?.code,
    order: order.status === 200 ? Order.parse(order.body) : undefined,
    refunds,
    steps: timeline.status === 200 ? Timeline.parse(timeline.body).data : [],
    acknowledgedAt: at,
    seenPaidAt: seen.find(({ state }) => PAID_STATES.has(state))?.at,
    seenStates: seen.map(({ state }) => state),
    toldStates: told.get(id) ?? [],
  };
}

/** By order, in the order in which it was told. */
async function readTold(product: Product): Promise<ReadonlyMap<string, readonly string[]>> {
  const told = new Map<string, string[]>();
  for (let [after, hasMore] = [0, true]; hasMore;) {
    const page = Events.parse((await read(product, `/v1/events?limit=200&after=${after}`)).body);
    for (const { type, data } of page.data) {
      if (!type.startsWith('order.') || data.orderId === undefined || data.state === undefined) continue;
      told.set(data.orderId, [...(told.get(data.orderId) ?? []), data.state]);
    }
    ({ after, hasMore } = page);
  }
  return told;
}

async function read(product: Product, path: string): Promise<Answer> {
  for (let left = TRIES; ; left -= 1) {
    const answer = await product.call('GET', path).catch(() => undefined);
    if (answer !== undefined && answer.status < 500) return answer;
    if (left === 0) throw new Error(`The API does not answer GET ${path}.`);
  }
}
