import type Stripe from 'stripe';
import type { VirtualClock } from './clock.ts';
import { missing } from './errors.ts';
import { newId } from './ids.ts';
import type { Change, State, TableName, Tables, Task } from './state.ts';

/** The one version that is simulated. */
export const API_VERSION = '2026-10-28.endive';

/** Which request the events of a piece of work name. */
export interface EventOrigin {
  readonly requestId: string;
  readonly idempotencyKey: string | null;
}

/** Changes that belong together: nobody sees any of them before all are committed, and a thrown error leaves none behind. */
export class Work {
  readonly clock: VirtualClock;
  readonly #state: State;
  readonly #origin: EventOrigin | undefined;
  readonly #changes: Change[] = [];
  readonly #overlay = new Map<string, Tables[TableName]>();

  constructor(state: State, clock: VirtualClock, origin?: EventOrigin) {
    this.#state = state;
    this.clock = clock;
    this.#origin = origin;
  }

  get changes(): readonly Change[] {
    return this.#changes;
  }

  get<N extends TableName>(table: N, id: string): Tables[N] | undefined {
    const own = this.#overlay.get(`${table} ${id}`) as Tables[N] | undefined; // put below under the name of its table
    return own ?? this.#state.get(table, id);
  }

  /** As committed, oldest first. */
  all<N extends TableName>(table: N): readonly Tables[N][] {
    return this.#state.all(table);
  }

  put<N extends TableName>(table: N, object: Tables[N]): void {
    this.#overlay.set(`${table} ${object.id}`, object);
    this.#changes.push({ table, put: object } as Change); // the pair that the signature demands
  }

  remove(table: TableName, id: string): void {
    this.#overlay.delete(`${table} ${id}`);
    this.#changes.push({ table, deleted: id });
  }

  later(delayMs: number, task: Pick<Task, 'kind' | 'objectId'>): void {
    this.put('task', { id: newId('task'), dueMs: this.clock.nowMs() + delayMs, ...task });
  }

  intent(id: string): Stripe.PaymentIntent {
    return this.get('payment_intent', id) ?? notThere('payment_intent', id, 'intent');
  }

  charge(id: string): Stripe.Charge {
    return this.get('charge', id) ?? notThere('charge', id);
  }

  /** Says that something happened: an event, and its way to every endpoint that wants it. */
  emit(type: Stripe.Event.Type, object: object, previous?: object): void {
    const endpoints = this.#state.all('webhook_endpoint').filter(({ status, enabled_events: wanted }) => {
      return status === 'enabled' && (wanted.includes('*') || wanted.includes(type));
    });
    const event = {
      id: newId('evt'),
      object: 'event',
      api_version: API_VERSION,
      created: this.clock.nowSeconds(),
      data: { object, ...(previous === undefined ? {} : { previous_attributes: previous }) },
      livemode: false,
      pending_webhooks: endpoints.length,
      request: { id: this.#origin?.requestId ?? null, idempotency_key: this.#origin?.idempotencyKey ?? null },
      type,
    } satisfies Stripe.EventBase;
    // Stripe's type is a union of some 200 pairs of type and object, which a common function can't name.
    this.put('event', event as unknown as Stripe.Event);
    for (const { id: endpointId } of endpoints) {
      const dueMs = this.clock.nowMs();
      this.put('delivery', { id: newId('whd'), eventId: event.id, endpointId, dueMs, attempt: 1, hasFailed: false });
    }
  }
}

function notThere(object: string, id: string, param = object): never {
  throw missing(object, id, param);
}
