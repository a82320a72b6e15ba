import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { Fulfilment } from '../../adapters/fulfilment.ts';
import type { EmailTemplates } from '../../adapters/templates.ts';
import { KINDS } from '../../contracts/kinds.ts';
import type { RunRef } from '../../contracts/pure/operations.ts';
import type { OrderRow } from '../../store/checkout/merge.ts';
import type { Store } from '../../store/index.ts';
import { claimEffects, type EffectParty, runEffect } from '../lib/effect.ts';
import { sleepInActivity, withHeartbeat } from '../lib/heartbeat.ts';
import { makeMail } from './mail-content.ts';
import { stepOf } from './order.ts';

const BUDGET_MS = 25_000;

export interface FulfilmentActivityDeps {
  readonly store: Store;
  readonly fulfilment: Fulfilment;
  readonly templates: EmailTemplates;
  /** The shop’s name on receipts. */
  readonly shopName: string;
}

export interface FulfilRequest {
  readonly run: RunRef;
  /** A person has said yes. */
  readonly isApproved: boolean;
}

export interface UndoneRequest {
  readonly run: RunRef;
  /** Why, snake_case. */
  readonly code: string;
}

export type Fulfilled =
  | { readonly outcome: 'accepted'; readonly reference: string }
  | { readonly outcome: 'held' | 'refused'; readonly code: string }
  /** Surely nothing has left, at this try or an earlier one. */
  | { readonly outcome: 'not_done' };

/** What follows on payment: goods and a receipt. */
export function createFulfilmentActivities(deps: FulfilmentActivityDeps) {
  const { store, fulfilment } = deps;

  /** Hands the order over to whoever ships it, once. */
  async function fulfilOrder({ run, isApproved }: FulfilRequest): Promise<Fulfilled> {
    return withHeartbeat(async () => {
      const order = await orderOf(store, run);
      if (order.fulfilment_reference !== null) return { outcome: 'accepted', reference: order.fulfilment_reference };
      const told: { answer?: Fulfilled } = {};
      const [effect] = await claimEffects(store.effects, run, [{ step: 'fulfil', digest: `${order.total_amount}` }]);
      if (effect === undefined) throw new Error('an effect that was claimed is missing');
      const party = partyOf(fulfilment, order, { isApproved, told });
      const signal = Context.current().cancellationSignal;
      const standing = await runEffect({ effects: store.effects, run, party, signal, sleep: sleepInActivity }, effect);
      if (standing === 'refused') return told.answer ?? { outcome: 'refused', code: codeOf(effect.response) };
      if (told.answer?.outcome === 'held') return told.answer;
      if (told.answer?.outcome === 'not_done' && effect.repeats === 0) return told.answer;
      if (standing !== 'done') throw ApplicationFailure.retryable('The order could not be handed over.', 'OutsideUnavailable');
      const reference = told.answer?.outcome === 'accepted' ? told.answer.reference : referenceOf(effect.response);
      await store.checkout.orders.fulfilled(stepOf(run), reference);
      return { outcome: 'accepted', reference };
    });
  }

  /** Has a mail with the receipt sent, once; none when the buyer gave no address. */
  async function sendReceipt({ run }: { readonly run: RunRef }): Promise<{ readonly receiptId: string | null }> {
    const order = await orderOf(store, run);
    if (order.email === null) return { receiptId: null };
    if (order.receipt_id !== null) return { receiptId: order.receipt_id };
    const accepted = await store.operations.accept({
      tenantId: run.tenantId,
      kind: KINDS.email,
      input: await receiptOf(deps, order),
      naturalKey: `receipt:${order.id}`,
      start: { tags: ['receipt'], metadata: { orderId: order.id } },
      actor: { actor: 'workflow' },
      now: new Date(run.nowMs),
    });
    if (accepted.outcome === 'mismatch') throw new Error('a receipt has no idempotency key');
    await store.checkout.orders.receiptSent(stepOf(run), accepted.operation.root_id);
    return { receiptId: accepted.operation.root_id };
  }

  /** Has a mail sent, once, to a buyer who had paid for what could not be carried out: that the money is on its way back, and why. */
  async function tellUndone({ run, code }: UndoneRequest): Promise<object> {
    const order = await orderOf(store, run);
    if (order.email === null || order.refunded_amount === 0) return {};
    await store.operations.accept({
      tenantId: run.tenantId,
      kind: KINDS.email,
      input: await undoneOf(deps, order, code),
      naturalKey: `undone:${order.id}`,
      start: { tags: ['order'], metadata: { orderId: order.id } },
      actor: { actor: 'workflow' },
      now: new Date(run.nowMs),
    });
    return {};
  }

  return { fulfilOrder, sendReceipt, tellUndone };
}

async function orderOf(store: Store, run: RunRef): Promise<OrderRow> {
  const row = await store.checkout.orders.get(run.tenantId, run.rootId);
  if (row === undefined) throw ApplicationFailure.nonRetryable('The order does not exist.', 'NotOpen');
  return row;
}

interface Asked {
  readonly isApproved: boolean;
  readonly told: { answer?: Fulfilled };
}

function partyOf(fulfilment: Fulfilment, order: OrderRow, { isApproved, told }: Asked): EffectParty {
  const lines = order.lines.map(({ sku, quantity }) => ({ sku, quantity }));
  return {
    budgetMs: BUDGET_MS,
    settleMs: 0,
    // Whoever ships knows the key, so the same order may be handed over again.
    repeats: () => true,
    async send(effect, begin) {
      await begin();
      const report = await fulfilment.fulfil({ tenantId: order.tenant_id, orderId: order.id, key: effect.key, lines, isApproved });
      switch (report.outcome) {
        case 'accepted':
          told.answer = report;
          return { state: 'done', response: { reference: report.reference } };
        case 'refused':
          told.answer = report;
          return { state: 'refused', response: { code: report.code } };
        case 'held':
          told.answer = report;
          return { state: 'not_done', response: { code: report.code } };
        case 'not_done':
          told.answer = report;
          return { state: 'not_done' };
        case 'unknown':
          return { state: 'ambiguous' };
      }
    },
  };
}

/** What every mail about an order says. */
function aboutOrder({ shopName }: FulfilmentActivityDeps, order: OrderRow) {
  return {
    ...(order.buyer_name === null ? {} : { name: order.buyer_name }),
    shop: shopName,
    orderNumber: order.id,
    orderedAt: order.created_at.toISOString(),
    currency: order.currency,
  };
}

function receiptOf(deps: FulfilmentActivityDeps, order: OrderRow): Promise<object> {
  const rest = order.total_amount - order.captured_amount;
  const data = {
    ...aboutOrder(deps, order),
    items: order.lines.map(({ name: title, quantity, amount }) => ({ title, quantity, amount })),
    shippingAmount: order.shipping_amount,
    taxAmount: order.tax_amount,
    totalAmount: order.total_amount,
    // Of reserved money a part may have been taken.
    ...(rest > 0 ? { paidAmount: order.captured_amount, notChargedAmount: rest } : {}),
  };
  return makeMail(deps.templates, { template: 'receipt', to: order.email ?? '', locale: order.locale ?? undefined, data });
}

function undoneOf(deps: FulfilmentActivityDeps, order: OrderRow, code: string): Promise<object> {
  const data = { ...aboutOrder(deps, order), refundedAmount: order.refunded_amount, reason: code };
  return makeMail(deps.templates, { template: 'order-undone', to: order.email ?? '', locale: order.locale ?? undefined, data });
}

function codeOf(response: Readonly<Record<string, unknown>> | null): string {
  return typeof response?.['code'] === 'string' ? response['code'] : 'refused';
}

function referenceOf(response: Readonly<Record<string, unknown>> | null): string {
  return typeof response?.['reference'] === 'string' ? response['reference'] : '';
}
