import { Context } from '@temporalio/activity';
import type { DeliveryReport, Mailer } from '../../adapters/mailer.ts';
import type { EmailEffect } from '../../contracts/email.ts';
import type { EmailProgress } from '../../contracts/pure/email.ts';
import type { EffectRow } from '../../store/effects.ts';
import type { Store } from '../../store/index.ts';
import type { Background } from '../lib/background.ts';
import { type EffectContext, runEffect, settleEffect, type Standing } from '../lib/effect.ts';
import { sleepInActivity, stopIfCancelled } from '../lib/heartbeat.ts';
import type { Patience } from '../lib/patience.ts';
import { createProgress } from '../lib/progress.ts';
import { type MailJob, partyOf, personaliser } from './party.ts';
import type { RouteGate } from './route-gate.ts';

/** A mail, and what it needs to be known of it to send it. */
export interface Job extends MailJob {
  readonly planned: readonly EmailEffect[];
  readonly expiresAtMs?: number;
}

export interface ServingDeps {
  readonly store: Store;
  readonly mailer: Mailer;
  /** Where links lead. */
  readonly publicUrl: string;
  readonly gate: RouteGate;
  readonly background: Background;
}

export interface Serving {
  readonly rows: readonly EffectRow[];
  readonly budgetMs: number;
  readonly isSettling: boolean;
  /** Of a step that must be short: when it is over, nothing more is begun. */
  readonly patience?: Patience;
  readonly record?: EffectContext['record'];
}

/** Serves recipients one after the other, or finds out what became of them. */
export async function serve(deps: ServingDeps, job: Job, serving: Serving): Promise<EmailProgress> {
  const { rows, isSettling, patience } = serving;
  const session = deps.mailer.openSession();
  const seen = createSeen();
  const context = await contextOf(deps, job, { ...serving, session, seen });
  const standings: Standing[] = [];
  const progress = createProgress(deps.store.streams, job.run, { total: rows.length, unit: 'recipients' });
  const one = async (row: EffectRow): Promise<Standing> => {
    const standing = await (isSettling ? settleEffect(context, row) : runEffect(context, row));
    // After the effect is recorded, which must not wait for this.
    const report = seen.takeReport();
    if (report !== undefined) await deps.gate.heed(report);
    return standing;
  };
  for (const row of rows) {
    await stopIfCancelled();
    const work = one(row);
    const standing = patience === undefined ? await work : await patience.outlast(work);
    standings.push(standing ?? 'sending');
    if (standing === undefined) {
      deps.background.keep(work);
      break;
    }
    if (rows.length > 1) await progress.report(standings.filter((done) => done !== 'pending' && done !== 'sending').length);
  }
  const left = rows.slice(standings.length).map((): Standing => 'pending');
  const suppressed = rows.filter(isSuppressed).length;
  const served = count(job, { standings: [...standings, ...left], isPutOff: seen.isPutOff() || seen.isHeld(), suppressed });
  return seen.isHeld() ? { ...served, held: { forMs: Math.ceil(await deps.gate.pausedForMs()), spread: Math.random() } } : served;
}

type Seen = ReturnType<typeof createSeen>;

/** What the tries of one step have shown. */
function createSeen() {
  let isPutOff = false;
  let isHeld = false;
  let latest: DeliveryReport | undefined;
  return {
    isPutOff: () => isPutOff,
    isHeld: () => isHeld,
    onPutOff: () => void (isPutOff = true),
    onHeld: () => void (isHeld = true),
    onReport(report: DeliveryReport) {
      latest = report;
      isHeld ||= report.outcome === 'deferred' && report.slowDown !== undefined;
    },
    takeReport() {
      const report = latest;
      latest = undefined;
      return report;
    },
  };
}

interface Session extends Serving {
  readonly session: ReturnType<Mailer['openSession']>;
  readonly seen: Seen;
}

async function contextOf(
  deps: ServingDeps,
  job: Job,
  { session, seen, patience, budgetMs, isSettling, record }: Session,
): Promise<EffectContext> {
  const { mailer, gate, store } = deps;
  const signal = patience?.signal ?? Context.current().cancellationSignal;
  const plannedOf = new Map(job.planned.map((effect) => [effect.step, effect]));
  const mailFor = await personaliser(deps, job);
  const onBegun = (): void => patience?.begun();
  const party = partyOf(
    { mailer, session, mailFor, budgetMs, signal, plannedOf, content: job.content, gate, isSettling },
    { ...seen, onBegun },
  );
  return { effects: store.effects, run: job.run, party, signal, sleep: sleepInActivity, record };
}

export function isSuppressed({ state, response }: EffectRow): boolean {
  return state === 'refused' && response?.['reason'] === 'suppressed';
}

export interface Served {
  readonly standings: readonly Standing[];
  readonly isPutOff: boolean;
  /** Of those refused, not by the mail server. */
  readonly suppressed?: number;
}

export function count(job: Job, { standings, isPutOff, suppressed = 0 }: Served): EmailProgress {
  const of = (...wanted: readonly Standing[]): number => standings.filter((standing) => wanted.includes(standing)).length;
  return {
    messageId: job.mail.messageId,
    sent: of('done'),
    refused: of('refused') - suppressed,
    suppressed,
    unknown: of('unknown'),
    pending: of('pending', 'sending'),
    isPutOff,
    isExpired: false,
    ...(job.expiresAtMs === undefined ? {} : { expiresAtMs: job.expiresAtMs }),
  };
}
