import { createHmac } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type Stripe from 'stripe';
import type { Engine } from './engine.ts';
import { drawnDelay, webhookFault } from './faults.ts';
import type { WebhookFaultKind } from './faults.ts';
import type { Delivery } from './state.ts';
import { API_VERSION } from './work.ts';

/** Until the next attempt, after each that failed; then it is given up. Assumed: Stripe says "up to three days", with growing pauses. */
const RETRY_MS = [5, 30, 5 * 60, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600, 24 * 3600].map((seconds) => seconds * 1000);
const ANSWER_TIMEOUT_MS = 10_000;
const MAX_AT_ONCE = 32;
/** Held back no longer than this when reordered. */
const REORDER_MS = 2_000;

/** Brings events to the endpoints that want them. */
export class Deliveries {
  readonly #engine: Engine;
  readonly #underway = new Map<string, Promise<void>>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Starts what is due; resolves when nothing of it is under way any more. */
  startDue(): void {
    const now = this.#engine.clock.nowMs();
    for (const delivery of this.#waiting()) {
      if (this.#underway.size >= MAX_AT_ONCE) return;
      if (delivery.dueMs > now) continue;
      const done = this.#bring(delivery).finally(() => this.#underway.delete(delivery.id));
      this.#underway.set(delivery.id, done);
    }
  }

  nextDueMs(): number {
    return this.#underway.size >= MAX_AT_ONCE
      ? Infinity
      : this.#waiting().reduce((soonest, { dueMs }) => Math.min(soonest, dueMs), Infinity);
  }

  async idle(): Promise<void> {
    await Promise.all(this.#underway.values());
  }

  #waiting(): readonly Delivery[] {
    return this.#engine.state.all('delivery').filter(({ id, hasFailed }) => !hasFailed && !this.#underway.has(id));
  }

  async #bring(delivery: Delivery): Promise<void> {
    const event = this.#engine.state.get('event', delivery.eventId);
    const endpoint = this.#engine.state.get('webhook_endpoint', delivery.endpointId);
    const plan = this.#engine.faultPlan;
    const fault = delivery.attempt === 1 ? webhookFault(plan, delivery.eventId) : undefined;
    if (event === undefined || endpoint?.status !== 'enabled' || fault === 'dropped') return this.#change({ ...delivery, hasFailed: true });
    if (fault === 'swallowed') return this.#arrived(delivery);
    if ((fault === 'reordered' || fault === 'late') && delivery.isHeld !== true) {
      const holdMs = fault === 'late' ? plan.lateMs : drawnDelay(plan, delivery.id, REORDER_MS);
      return this.#change({ ...delivery, isHeld: true, dueMs: this.#engine.clock.nowMs() + holdMs });
    }
    if (await this.#post(endpoint, event, fault)) return this.#arrived(delivery);
    const pauseMs = RETRY_MS[delivery.attempt - 1];
    if (pauseMs === undefined) return this.#change({ ...delivery, hasFailed: true });
    return this.#change({ ...delivery, attempt: delivery.attempt + 1, dueMs: this.#engine.clock.nowMs() + pauseMs });
  }

  async #post(endpoint: Stripe.WebhookEndpoint, event: Stripe.Event, fault: WebhookFaultKind | undefined): Promise<boolean> {
    const first = await post(endpoint, event);
    return fault === 'doubled' ? (await post(endpoint, event)) && first : first;
  }

  #arrived(delivery: Delivery): void {
    const work = this.#engine.begin();
    const event = this.#engine.state.get('event', delivery.eventId);
    work.remove('delivery', delivery.id);
    if (event !== undefined) work.put('event', { ...event, pending_webhooks: event.pending_webhooks - 1 });
    this.#engine.commit(work, { cause: 'delivery' });
  }

  #change(delivery: Delivery): void {
    const work = this.#engine.begin();
    work.put('delivery', delivery);
    this.#engine.commit(work, { cause: 'delivery' });
  }
}

/** True when the endpoint said 2xx in time. */
async function post(endpoint: Stripe.WebhookEndpoint, event: Stripe.Event): Promise<boolean> {
  const payload = Buffer.from(JSON.stringify(event, undefined, 2));
  // The machine's time, not the simulator's: receivers compare it with their own clock.
  const seconds = Math.floor(Date.now() / 1000);
  const signature = createHmac('sha256', endpoint.secret ?? '')
    .update(`${seconds}.`)
    .update(payload)
    .digest('hex');
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'content-length': payload.byteLength,
    'stripe-signature': `t=${seconds},v1=${signature}`,
    'stripe-version': API_VERSION,
    'user-agent': 'Stripe/1.0 (simulator)',
    'x-simulator': 'stripe-twin',
  };
  const answered = Promise.withResolvers<boolean>();
  const send = endpoint.url.startsWith('https:') ? httpsRequest : httpRequest;
  const outgoing = send(
    endpoint.url,
    { method: 'POST', headers, signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS), agent: false },
    (response) => {
      response.resume();
      const { statusCode = 0 } = response;
      response.once('close', () => answered.resolve(response.complete && statusCode >= 200 && statusCode < 300));
    },
  );
  outgoing.once('error', () => answered.resolve(false));
  outgoing.end(payload);
  return answered.promise;
}
