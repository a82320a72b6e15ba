import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChaosFeature, FeatureRun, FeatureWorld } from './lib/feature.ts';
import { Ledger } from './lib/ledger.ts';
import { Load } from './lib/load.ts';
import type { Product } from './lib/product.ts';
import type { Client } from './checkout/client.ts';
import { collectEvidence } from './checkout/evidence.ts';
import { paidOrders } from './checkout/journal.ts';
import { judgeCheckout } from './checkout/judge.ts';
import { liveBuyer, liveCrowd } from './checkout/life.ts';
import { Mailboxes } from './checkout/mailboxes.ts';
import { isWaitedFor, planAfterwards, planBuyers, planCrowd, shelf } from './checkout/plan.ts';
import type { Buyer } from './checkout/plan.ts';
import { ReturnNews } from './checkout/return-news.ts';
import { startTwinProcess } from './checkout/twin.ts';
import type { TwinProcess } from './checkout/twin.ts';
import { startMailServer } from './email/mail-server.ts';

const LOOK_EVERY_MS = 250;
const PRICES = [
  { amount: 1999, currency: 'EUR' },
  { amount: 3200, currency: 'JPY' },
  { amount: 6650, currency: 'KWD' },
];
/**
 * Of changing requests to the provider. What is lost is lost for the first two attempts under its key. There are fewer refunds than
 * payments, so more of them go wrong.
 */
const REQUEST_FAULTS = [
  { kind: 'rate_limited', share: 0.25, route: 'POST /v1/refunds' },
  { kind: 'reply_lost', share: 0.1, attempts: 2 },
  { kind: 'cut_body', share: 0.03 },
  { kind: 'error_500', share: 0.02 },
  { kind: 'error_500_after', share: 0.02 },
  { kind: 'rate_limited', share: 0.03 },
  { kind: 'bad_gateway', share: 0.02 },
  { kind: 'bad_gateway_after', share: 0.01 },
];
/** When nothing is killed any more: half of the refunds are made and nobody is told, the others are to be asked for again. */
const LAST_REQUEST_FAULTS = [
  { kind: 'reply_lost', share: 0.5, route: 'POST /v1/refunds', attempts: 2 },
  { kind: 'rate_limited', share: 0.5, route: 'POST /v1/refunds' },
];
/** How long each part of the second act may take; what has not ended by then is wrong. */
const PART_MS = 45_000;
const COMES_EVERY_MS = 2_000;
const WEBHOOK_FAULTS = { dropped: 0.1, doubled: 0.15, reordered: 0.25, late: 0.05 };
const LATE_MS = 5_000;

/** Buyers over HTTP, a payment provider and a mail server of our own that fail as real ones do and keep journals. */
export const checkoutChaos: ChaosFeature = checkout('checkout', { webhooks: WEBHOOK_FAULTS, lastWebhooks: {} });

/** What becomes of webhooks while processes are killed, and when none is any more. */
interface Hearing {
  readonly webhooks: object;
  readonly lastWebhooks: object;
}

/** The same, heard in another way: everything must come right all the same. */
export function checkout(name: string, hearing: Hearing): ChaosFeature {
  return {
    name,
    targets: ['app', 'postgres', 'temporal', 'supervisor', 'stall'],
    smoke: { count: 30, kills: 3, blackoutPosts: 8 },
    open: (run) => open(run, hearing),
  };
}

async function open({ seed, count, folder }: FeatureRun, { webhooks, lastWebhooks }: Hearing): Promise<FeatureWorld> {
  const planned = planBuyers(seed, count);
  const crowd = planCrowd(count);
  const afterwards = planAfterwards(planned.length + crowd.length);
  const buyers: Buyer[] = [...planned, ...crowd];
  /** In the midst of the run, among the strikes. */
  const crowdComesWith = Math.floor(count / 3);
  const mailFile = join(folder, 'mails.jsonl');
  const ledger = await Ledger.create(join(folder, 'ledger.jsonl'));
  const mailboxes = new Mailboxes();
  const mails = await startMailServer({ seed, journalFile: mailFile, onAccepted: (to, source) => mailboxes.take(to, source) });
  const twin = await startTwinProcess(join(folder, 'provider'));
  const watch = watchProvider(twin);
  const crowdOrders = new Set<string>();
  const setFaults = (requests: readonly object[], told: object): Promise<void> =>
    twin.setFaults({ seed: String(seed), requests, webhooks: told, lateMs: LATE_MS });
  const world: FeatureWorld = {
    environment: {
      STRIPE_API_KEY: twin.keys.secret,
      STRIPE_PUBLISHABLE_KEY: twin.keys.publishable,
      STRIPE_WEBHOOK_SECRETS: twin.keys.webhookSecret,
      STRIPE_URL: twin.url,
      SMTP_URL: mails.smtpUrl,
      MAIL_LOOKUP_URL: mails.lookupUrl,
      RATE_LIMIT_PER_MINUTE: '10000000',
      PAY_WITHIN: '30s',
      RECONCILE_PAYMENTS: '15s',
      CART_REMINDERS: '5s,15s',
    },
    // The crowd comes when it comes: strikes go by what the others do, who are posted part by part.
    expectedEffects: planned.filter(isWaitedFor).length,
    seenEffects: () => [...watch.paid()].filter((id) => !crowdOrders.has(id)).length,
    async prepare(product) {
      await twin.sendWebhooksTo(`${product.endpoints['api'] ?? ''}/hooks/stripe`);
      await openShop(product, shelf(buyers));
      watch.whenReturnIsTold(() => forgetReturn(product));
      // Last, since it would hit the calls above.
      await setFaults(REQUEST_FAULTS, webhooks);
    },
    async live(ordinal, load, onAcknowledged) {
      const buyer: Buyer | undefined = planned[ordinal];
      if (buyer === undefined) throw new Error(`there is no buyer ${ordinal}`);
      const beside = ordinal === crowdComesWith ? crowd : [];
      const client = { load, ledger, mailboxes, onAcknowledged };
      await Promise.all([
        liveBuyer(buyer, client),
        liveCrowd(beside, { ...client, onAcknowledged: () => undefined, onOrder: (id) => crowdOrders.add(id) }),
      ]);
    },
    async secondAct(product, say) {
      const { many, last } = afterwards;
      buyers.push(...many, last);
      const byKind = Object.groupBy(many, ({ behaviour, refunds }) => (refunds.length > 0 ? 'refunded' : behaviour));
      const beside = (): Beside => ({ load: new Load(product, world), ledger, mailboxes });
      await setFaults([], lastWebhooks);
      await Promise.all([
        liveAll([...(byKind.leaves ?? []), ...(byKind.comes_back ?? []), ...(byKind.unsubscribes ?? [])], beside()),
        // One after another, so that always some are about to pay while what was said of them is acted on.
        liveAll(byKind.second_card ?? [], { ...beside(), everyMs: COMES_EVERY_MS }),
      ]);
      // Nobody tells of these refunds: whoever made them must find them.
      await setFaults(LAST_REQUEST_FAULTS, { dropped: 1 });
      await liveAll(byKind.refunded ?? [], beside());
      await setFaults([], lastWebhooks);
      watch.whenReturnIsTold(() => {
        forgetReturn(product);
        say('app killed upon the news of a refund that came back');
      });
      await liveAll([last], beside());
      await product.ready();
      say(`second act: ${many.length + 1} more buyers`);
    },
    async judge(product) {
      const providerEntries = await twin.audit(0);
      return judgeCheckout(await collectEvidence({ product, buyers, ledgerFile: ledger.path, mailFile, providerEntries }));
    },
    async [Symbol.asyncDispose]() {
      await watch.stop();
      await twin[Symbol.asyncDispose]();
      await mails[Symbol.asyncDispose]();
      await ledger[Symbol.asyncDispose]();
    },
  };
  return world;
}

interface Beside extends Omit<Client, 'onAcknowledged'> {
  /** How long after the one before each comes; all at once by default. */
  readonly everyMs?: number;
}

/** Buyers beside the loop. What they were not told by the end of their time, the judge finds. */
async function liveAll(buyers: readonly Buyer[], { everyMs = 0, ...client }: Beside): Promise<void> {
  const { load } = client;
  const timer = setTimeout(() => load.giveUp(), PART_MS);
  const live = async (buyer: Buyer, index: number): Promise<void> => {
    await load.pause(index * everyMs);
    await liveBuyer(buyer, { ...client, onAcknowledged: () => undefined });
  };
  const lives = await Promise.allSettled(buyers.map(live));
  clearTimeout(timer);
  const broken = lives.find((life) => life.status === 'rejected');
  if (broken !== undefined && !load.isGivenUp) throw broken.reason;
}

async function openShop(product: Product, stocks: ReadonlyMap<string, number>): Promise<void> {
  for (const [sku, stock] of stocks) {
    const body = { name: `A ${sku}`, prices: PRICES, taxPercent: 19, stock };
    const { status, body: answer } = await product.call('PUT', `/v1/products/${sku}`, { body });
    if (status !== 200 && status !== 201) throw new Error(`${sku} was answered by ${status} ${JSON.stringify(answer)}`);
  }
}

/** Watches the provider's journal while it is written, for strikes that come in the midst of what it says. */
function watchProvider(twin: TwinProcess) {
  const stop = new AbortController();
  const news = new ReturnNews();
  const paid = new Set<string>();
  let after = 0;
  let onReturn: (() => void) | undefined;
  const watching = (async () => {
    while (!stop.signal.aborted) {
      const entries = await twin.audit(after).catch(() => []);
      after += entries.length;
      for (const id of paidOrders(entries)) paid.add(id);
      if (onReturn !== undefined && news.isJustTold(entries)) {
        onReturn();
        onReturn = undefined;
      }
      await sleep(LOOK_EVERY_MS, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  })();
  return {
    /** Orders for which money was taken. */
    paid: (): ReadonlySet<string> => paid,
    /** Calls back once, when all that is to be said of a refund that came back was just acknowledged. */
    whenReturnIsTold(call: () => void) {
      onReturn = call;
    },
    async stop() {
      stop.abort();
      await watching;
    },
  };
}

/** Kills the app the moment it has said that it knows of a refund that came back: nobody will say it again. */
function forgetReturn(product: Product): void {
  try {
    product.signal('app', 'SIGKILL');
  } catch {
    // It is dead already.
  }
}
