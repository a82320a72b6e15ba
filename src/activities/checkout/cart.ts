import type { Catalogue } from '../../adapters/catalogue.ts';
import type { EmailTemplates } from '../../adapters/templates.ts';
import type { Quote } from '../../contracts/checkout/quotes.ts';
import { sealRecovery } from '../../contracts/checkout/recovery.ts';
import type { CartLook, CartRef, CartStep, PaymentWord } from '../../contracts/pure/carts.ts';
import type { CartTimes } from '../../store/checkout/cart-times.ts';
import type { Store } from '../../store/index.ts';
import { withHeartbeat } from '../lib/heartbeat.ts';
import { type CartRules, passedOverBy, planCart, zoneOf } from './cart-plan.ts';
import { makeMail } from './mail-content.ts';
import { nextQuietHours } from './quiet-hours.ts';

export interface CartActivityDeps {
  readonly store: Store;
  readonly catalogue: Catalogue;
  readonly templates: EmailTemplates;
  readonly shopName: string;
  readonly cartRules: CartRules;
  /** The page that recovery links lead to. */
  readonly cartRecoveryUrl: string;
}

export interface CartTurn {
  readonly ref: CartRef;
  /** The workflow's own clock. */
  readonly nowMs: number;
}

export interface MailTurn extends CartTurn {
  readonly step: CartStep;
}

/** `passed_over`: there is nothing to remind of, or nobody who wants to be. `stale`: it is not due any more. */
export type Mailed = 'accepted' | 'passed_over' | 'stale';

/** What the workflow of a cart does. Both may be repeated. */
export function createCartActivities(deps: CartActivityDeps) {
  const { store, cartRules } = deps;

  /** Looks at the rows: what is due, and until when to sleep. A local activity of one transaction. */
  function lookAtCart({ ref, nowMs }: CartTurn): Promise<CartLook> {
    const now = new Date(nowMs);
    return store.checkout.cartTimes.look({ ref, now, plan: (times) => planCart(times, cartRules, now) });
  }

  /** Makes a mail and takes it on, if it is still due when it is made. Once for each cart and step. */
  async function mailCart({ ref, step, nowMs }: MailTurn): Promise<{ readonly mailed: Mailed }> {
    return withHeartbeat(async () => {
      const now = new Date(nowMs);
      const times = await store.checkout.cartTimes.read(ref, now);
      if (times === undefined) return { mailed: 'stale' };
      const passedOver = passedOverBy(step, times, cartRules);
      const made = step.startsWith('reminder') ? await reminderOf(deps, times, now) : await wordOf(deps, times, { step, now });
      const passOver = async (): Promise<{ mailed: Mailed }> => {
        await store.checkout.cartTimes.passOver(ref, [...passedOver, step], now);
        return { mailed: 'passed_over' };
      };
      if (made === undefined) return passOver();
      const claimed = await store.checkout.cartTimes.claimMail({
        ...{ ref, step, passedOver, now, plan: (present) => planCart(present, cartRules, now) },
        ...made,
      });
      if (claimed.outcome === 'suppressed') return passOver();
      return { mailed: claimed.outcome === 'stale' ? 'stale' : 'accepted' };
    });
  }

  return { lookAtCart, mailCart };
}

export type CartActivities = ReturnType<typeof createCartActivities>;

interface Made {
  readonly mail: object;
  readonly address: string;
  readonly isBulk: boolean;
  readonly expiresAt: Date | undefined;
}

/** Undefined: nothing of the cart can be bought any more. */
async function reminderOf(deps: CartActivityDeps, times: CartTimes, now: Date): Promise<Made | undefined> {
  const { cart, items } = times;
  if (cart.email === null) return undefined;
  const quote = await deps.catalogue.quote({ tenantId: cart.tenant_id, cartId: cart.id, currency: cart.currency, items, now });
  const gone = new Set(quote.faults.map(({ sku }) => sku));
  const lines = quote.lines.filter(({ sku }) => !gone.has(sku));
  if (lines.length === 0) return undefined;
  const data = {
    ...(cart.name === null ? {} : { name: cart.name }),
    shop: deps.shopName,
    currency: quote.currency,
    items: itemsOf(lines),
    hasLess: lines.length < items.length,
    cartUrl: await linkTo(deps, times, now),
  };
  const mail = await makeMail(deps.templates, {
    template: 'cart-reminder',
    to: cart.email,
    locale: cart.locale ?? undefined,
    data,
    isBulk: true,
  });
  // What waits for a mail server until the evening is not sent in the night.
  return { mail, address: cart.email, isBulk: true, expiresAt: nextQuietHours(now, zoneOf(times, deps.cartRules)) };
}

const REASONS: Readonly<Record<PaymentWord, string>> = {
  payment_action: 'approve',
  payment_declined: 'declined',
  payment_failed: 'failed',
};

async function wordOf(
  deps: CartActivityDeps,
  times: CartTimes,
  { step, now }: { readonly step: CartStep; readonly now: Date },
): Promise<Made | undefined> {
  const { order } = times;
  if (order?.email === undefined || order.email === null) return undefined;
  const data = {
    ...(order.buyer_name === null ? {} : { name: order.buyer_name }),
    shop: deps.shopName,
    reason: reasonOf(step),
    ...(order.decline === null ? {} : { explanation: order.decline.text }),
    orderNumber: order.id,
    currency: order.currency,
    items: itemsOf(order.lines),
    totalAmount: order.total_amount,
    orderUrl: await linkTo(deps, times, now),
  };
  const mail = await makeMail(deps.templates, { template: 'payment-pending', to: order.email, locale: order.locale ?? undefined, data });
  return { mail, address: order.email, isBulk: false, expiresAt: undefined };
}

function reasonOf(step: CartStep): string | undefined {
  return Object.entries(REASONS).find(([word]) => step.startsWith(word))?.[1];
}

function itemsOf(lines: readonly Pick<Quote['lines'][number], 'name' | 'quantity' | 'amount'>[]) {
  return lines.map(({ name, quantity, amount }) => ({ title: name, quantity, amount }));
}

async function linkTo({ store, cartRecoveryUrl }: CartActivityDeps, { cart }: CartTimes, now: Date): Promise<string> {
  const secret = await store.email.unsubscribeSecret(cart.tenant_id);
  const url = new URL(cartRecoveryUrl);
  url.searchParams.set('cart', sealRecovery(secret, { tenantId: cart.tenant_id, cartId: cart.id }, now));
  return url.href;
}
