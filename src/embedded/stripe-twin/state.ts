import type Stripe from 'stripe';
import type { FaultPlan } from './faults.ts';

/** An answer kept for its idempotency key. */
export interface SavedAnswer {
  /** The key. */
  readonly id: string;
  readonly fingerprint: string;
  readonly path: string;
  readonly status: number;
  readonly body: string;
  readonly savedAtMs: number;
}

/** Something that happens by itself when its time has come. */
export interface Task {
  readonly id: string;
  readonly dueMs: number;
  readonly kind: 'settle_debit' | 'book_charge' | 'finish_refund' | 'expire_authorization';
  /** Id of the charge or refund. */
  readonly objectId: string;
}

/** One event on its way to one endpoint. */
export interface Delivery {
  readonly id: string;
  readonly eventId: string;
  readonly endpointId: string;
  readonly dueMs: number;
  readonly attempt: number;
  /** Given up or lost: it counts as undelivered for ever. */
  readonly hasFailed: boolean;
  /** Held back once on purpose. */
  readonly isHeld?: true;
}

/** Which test instrument a payment method stands for. */
export interface InstrumentUse {
  /** Of the payment method. */
  readonly id: string;
  readonly instrument: string;
  readonly isUsed: boolean;
}

/** What the buyer's bank asks about an intent. */
export interface Authentication {
  /** Of the intent. */
  readonly id: string;
  readonly token: string;
  readonly returnUrl: string | null;
}

export interface Tables {
  readonly authentication: Authentication;
  readonly balance_transaction: Stripe.BalanceTransaction;
  readonly charge: Stripe.Charge;
  readonly customer: Stripe.Customer;
  readonly delivery: Delivery;
  readonly event: Stripe.Event;
  readonly fault_plan: FaultPlan;
  readonly instrument: InstrumentUse;
  readonly payment_intent: Stripe.PaymentIntent;
  readonly payment_method: Stripe.PaymentMethod;
  readonly refund: Stripe.Refund;
  readonly saved_answer: SavedAnswer;
  readonly task: Task;
  readonly webhook_endpoint: Stripe.WebhookEndpoint;
}
export type TableName = keyof Tables;

/** One object as it is from now on, or gone. */
export type Change = PutChange | { readonly table: TableName; readonly deleted: string };
type PutChange = { readonly [N in TableName]: { readonly table: N; readonly put: Tables[N] } }[TableName];

/** All objects, in memory; the journal is what makes it last. */
export class State {
  readonly #tables = new Map<TableName, Map<string, Tables[TableName]>>();

  get<N extends TableName>(name: N, id: string): Tables[N] | undefined {
    return this.#table(name).get(id);
  }

  /** In the order in which they were made. */
  all<N extends TableName>(name: N): readonly Tables[N][] {
    return [...this.#table(name).values()];
  }

  /** The same without a copy, for looks at the first few. */
  each<N extends TableName>(name: N): Iterable<Tables[N]> {
    return this.#table(name).values();
  }

  apply(change: Change): void {
    if ('deleted' in change) this.#table(change.table).delete(change.deleted);
    else this.#table(change.table).set(change.put.id, change.put);
  }

  #table<N extends TableName>(name: N): Map<string, Tables[N]> {
    const table = this.#tables.get(name) ?? new Map<string, Tables[TableName]>();
    this.#tables.set(name, table);
    return table as Map<string, Tables[N]>; // only apply writes, and puts what belongs to the table
  }
}
