import * as z from 'zod';

// What the judge needs of the payment provider's journal; the rest is passed over.
const Charge = z.object({
  id: z.string(),
  payment_intent: z.string().nullable(),
  status: z.string(),
  captured: z.boolean(),
  amount_captured: z.int(),
  currency: z.string(),
  metadata: z.record(z.string(), z.string()),
});
const Refund = z.object({
  id: z.string(),
  charge: z.string(),
  amount: z.int(),
  status: z.string(),
  metadata: z.record(z.string(), z.string()),
});
const Intent = z.object({
  id: z.string(),
  status: z.string(),
  amount: z.int(),
  currency: z.string(),
  metadata: z.record(z.string(), z.string()),
});
const Movement = z.object({ id: z.string(), currency: z.string(), net: z.int(), fee: z.int() });
const Change = z.object({ table: z.string(), put: z.unknown().optional() });
const Entry = z.object({
  at: z.string(),
  request: z.object({ path: z.string(), status: z.int(), isReplay: z.boolean(), fault: z.string().nullable() }).optional(),
  changes: z.array(Change),
});

/** Money of one order at one moment. */
export interface Moment {
  readonly atMs: number;
  /** Taken and not given back. */
  readonly netAmount: number;
}

/** What the provider did for one order. */
export interface OrderMoney {
  readonly orderId: string;
  readonly totalAmount: number;
  readonly currency: string;
  readonly intents: number;
  /** Authorized and neither taken nor given back. */
  readonly openAuthorizations: number;
  readonly charges: number;
  readonly capturedAmount: number;
  readonly refundedAmount: number;
  /** After each change, in order. */
  readonly moments: readonly Moment[];
  /** When money was taken first. */
  readonly paidAtMs: number | undefined;
}

export interface ProviderEvidence {
  readonly orders: ReadonlyMap<string, OrderMoney>;
  /** Sums of the balance by currency, in capitals. */
  readonly net: ReadonlyMap<string, number>;
  readonly fees: ReadonlyMap<string, number>;
  readonly replays: number;
  readonly faults: number;
}

const PaidEvent = z.object({ type: z.literal('payment_intent.succeeded'), data: z.object({ object: Intent }) });

/** Orders for which money was taken in these entries. That somebody was told of it later is another entry, which says so again. */
export function paidOrders(entries: readonly unknown[]): readonly string[] {
  return entries
    .flatMap((entry) => Entry.parse(entry).changes)
    .flatMap(({ table, put }) => (table === 'event' ? (PaidEvent.safeParse(put).data?.data.object ?? []) : []))
    .map(orderOf);
}

/** Goes through the journal from its beginning, and keeps what each order had at every moment. */
export function readProvider(entries: readonly unknown[]): ProviderEvidence {
  const book = new Book();
  let [replays, faults] = [0, 0];
  for (const raw of entries) {
    const { at, request, changes } = Entry.parse(raw);
    for (const change of changes) book.apply(change);
    book.look(Date.parse(at));
    if (request?.isReplay === true) replays += 1;
    if (request?.fault != null) faults += 1;
  }
  return { ...book.evidence(), replays, faults };
}

class Book {
  readonly #intents = new Map<string, z.infer<typeof Intent>>();
  readonly #charges = new Map<string, z.infer<typeof Charge>>();
  readonly #refunds = new Map<string, z.infer<typeof Refund>>();
  readonly #movements = new Map<string, z.infer<typeof Movement>>();
  readonly #moments = new Map<string, Moment[]>();
  readonly #touched = new Set<string>();

  apply({ table, put }: z.infer<typeof Change>): void {
    if (put === undefined) return;
    switch (table) {
      case 'payment_intent': {
        const intent = Intent.parse(put);
        this.#intents.set(intent.id, intent);
        return;
      }
      case 'charge': {
        const charge = Charge.parse(put);
        this.#charges.set(charge.id, charge);
        this.#touched.add(this.#orderOfCharge(charge));
        return;
      }
      case 'refund': {
        const refund = Refund.parse(put);
        this.#refunds.set(refund.id, refund);
        const charge = this.#charges.get(refund.charge);
        if (charge !== undefined) this.#touched.add(this.#orderOfCharge(charge));
        return;
      }
      case 'balance_transaction': {
        const movement = Movement.parse(put);
        this.#movements.set(movement.id, movement);
      }
    }
  }

  /** Notes what the orders that changed have now. */
  look(atMs: number): void {
    for (const orderId of this.#touched) {
      const moments = this.#moments.get(orderId) ?? [];
      moments.push({ atMs, netAmount: this.#captured(orderId) - this.#refunded(orderId) });
      this.#moments.set(orderId, moments);
    }
    this.#touched.clear();
  }

  evidence(): Pick<ProviderEvidence, 'orders' | 'net' | 'fees'> {
    const byOrder = Map.groupBy(this.#intents.values(), orderOf);
    const orders = [...byOrder].map(([orderId, intents]): [string, OrderMoney] => {
      const [first] = intents;
      const moments = this.#moments.get(orderId) ?? [];
      const facts = {
        orderId,
        totalAmount: first?.amount ?? 0,
        currency: (first?.currency ?? '').toUpperCase(),
        intents: intents.length,
        openAuthorizations: intents.filter(({ status }) => status === 'requires_capture').length,
        charges: this.#chargesOf(orderId).filter(({ captured }) => captured).length,
        capturedAmount: this.#captured(orderId),
        refundedAmount: this.#refunded(orderId),
        moments,
        paidAtMs: moments.find(({ netAmount }) => netAmount > 0)?.atMs,
      };
      return [orderId, facts];
    });
    return { orders: new Map(orders), net: this.#sum('net'), fees: this.#sum('fee') };
  }

  #captured(orderId: string): number {
    return this.#chargesOf(orderId).reduce((sum, { amount_captured: amount }) => sum + amount, 0);
  }

  #refunded(orderId: string): number {
    const charges = new Set(this.#chargesOf(orderId).map(({ id }) => id));
    const given = [...this.#refunds.values()].filter(
      ({ charge, status }) => charges.has(charge) && status !== 'failed' && status !== 'canceled',
    );
    return given.reduce((sum, { amount }) => sum + amount, 0);
  }

  #chargesOf(orderId: string): readonly z.infer<typeof Charge>[] {
    return [...this.#charges.values()].filter((charge) => this.#orderOfCharge(charge) === orderId);
  }

  #orderOfCharge({ payment_intent: intentId }: z.infer<typeof Charge>): string {
    const intent = this.#intents.get(intentId ?? '');
    return intent === undefined ? 'nobody' : orderOf(intent);
  }

  #sum(field: 'net' | 'fee'): ReadonlyMap<string, number> {
    const sums = new Map<string, number>();
    for (const movement of this.#movements.values()) {
      const currency = movement.currency.toUpperCase();
      sums.set(currency, (sums.get(currency) ?? 0) + movement[field]);
    }
    return sums;
  }
}

function orderOf({ metadata }: { readonly metadata: Readonly<Record<string, string>> }): string {
  return metadata['nightshift_order'] ?? 'nobody';
}
