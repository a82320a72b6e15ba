import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { DeliveryReport, Mailer, OutgoingMail } from '../adapters/mailer.ts';
import type { EmailTemplates } from '../adapters/templates.ts';
import { contentOf, type EmailEffect, emailEffects, emailMessageId, isMade, type StoredEmail } from '../contracts/email.ts';
import type { EmailStanding } from '../contracts/pure/email.ts';
import type { Opened, RunRef } from '../contracts/pure/operations.ts';
import type { EffectRow } from '../store/effects.ts';
import type { Store } from '../store/index.ts';
import { makeNotice } from './email/notice.ts';
import { type MailJob, partyOf, personaliser } from './email/party.ts';
import { createRouteGate, type RouteGate } from './email/route-gate.ts';
import { claimEffects, type EffectContext, runEffect, settleEffect, type Standing } from './lib/effect.ts';
import { sleepInActivity, stopIfCancelled, withHeartbeat } from './lib/heartbeat.ts';
import { createProgress } from './lib/progress.ts';

/** More recipients than this go to the mail queue at once; fewer are tried in the opening step, which may take 2 s in all. */
const MAX_FIRST_TRY_RECIPIENTS = 2;
const FIRST_TRY_BUDGET_MS = 1_200;
/** Connecting included: the step may take 2 s in all. */
const FIRST_TRY_MS = 1_400;
const BUDGET_MS = 30_000;

export interface EmailProgress extends EmailStanding {
  readonly createdAtMs: number;
  /** The server put recipients off: wait before the next try. */
  readonly isPutOff: boolean;
  /** The mail server wants no mail for a while, whoever's it is. Not this mail's fault, so its own delays do not grow. */
  readonly held?: {
    readonly forMs: number;
    /** 0 to 1: where among all that wait this one goes on, so that they do not come all at once. */
    readonly spread: number;
  };
  readonly expiresAtMs?: number;
}

export interface SendEmailRequest {
  readonly run: RunRef;
  /** Only find out what became of what was begun; begin nothing. */
  readonly isSettling: boolean;
}

export interface EmailActivityDeps {
  readonly store: Store;
  readonly mailer: Mailer;
  /** From header and envelope sender. */
  readonly from: string;
  readonly templates: EmailTemplates;
  /** Where links lead. */
  readonly publicUrl: string;
  /** The mail server that all mail goes through; its pauses are kept under this name. */
  readonly route: string;
}

interface Deps extends EmailActivityDeps {
  readonly gate: RouteGate;
}

interface Job extends MailJob {
  readonly planned: readonly EmailEffect[];
  readonly createdAtMs: number;
  readonly expiresAtMs?: number;
}

export function createEmailActivities(given: EmailActivityDeps) {
  const { store } = given;
  const deps: Deps = { ...given, gate: createRouteGate(store.system.emailRoutes, given.route) };

  /** Opens the operation and tries a short mail once. Runs as a local activity of ≤ 2 s; what it leaves is for `sendEmail`. */
  async function openEmail(run: RunRef): Promise<Opened<EmailProgress>> {
    const opened = await store.lifecycle.open(run);
    if (!opened.opened) return opened;
    // Checked against the kind's schema when it was accepted, or made by us.
    const content = opened.value.input as StoredEmail;
    const job = wholeJob(deps, run, { content, createdAt: opened.value.createdAt });
    // A server that is slow to greet or to answer needs the patience of the mail queue; so does one that could not be asked afterwards.
    const isLong = job.planned.length > MAX_FIRST_TRY_RECIPIENTS || job.content.attachments !== undefined || !isMade(content);
    if (isLong || Context.current().info.attempt > 1 || deps.mailer.lookup === undefined)
      return { opened: true, value: count(job, { standings: job.planned.map(() => 'pending'), isPutOff: false }) };
    const rows = await claimEffects(store.effects, run, job.planned);
    // Asking what became of these may take longer than this step has.
    if (rows.some((row) => row.state === 'sending' || row.state === 'unknown'))
      return { opened: true, value: count(job, { standings: rows.map(standingBeforeSending), isPutOff: false }) };
    return {
      opened: true,
      value: await serve(deps, job, { rows, budgetMs: FIRST_TRY_BUDGET_MS, isSettling: false, limitMs: FIRST_TRY_MS }),
    };
  }

  /**
   * Serves every recipient that is left, one SMTP transaction each. Safe to repeat: who has the mail does not get it again, and what may
   * have arrived is asked for. Heartbeats; stops between recipients when cancelled.
   */
  async function sendEmail({ run, isSettling }: SendEmailRequest): Promise<EmailProgress> {
    return withHeartbeat(async () => {
      const job = await loadJob(deps, run, isSettling);
      if (!isSettling && job.expiresAtMs !== undefined && job.expiresAtMs <= run.nowMs) return expired(store, job);
      const rows = isSettling ? await begunOf(store, job) : await claimEffects(store.effects, run, job.planned);
      return serve(deps, job, { rows, budgetMs: BUDGET_MS, isSettling });
    });
  }

  return { openEmail, sendEmail };
}

export type EmailActivities = ReturnType<typeof createEmailActivities>;

async function loadJob(deps: Deps, run: RunRef, isSettling: boolean): Promise<Job> {
  const row = await deps.store.operations.get(run.tenantId, run.operationId);
  if (row === undefined) throw ApplicationFailure.nonRetryable('The operation does not exist.', 'NotOpen');
  // Checked against the kind's schema when it was accepted, or made by us.
  const stored = row.input as StoredEmail;
  // Of a mail that was not made, nothing has been sent that could be asked for.
  const content = isSettling || isMade(stored) ? stored : await makeNotice(deps, run, stored);
  const job = wholeJob(deps, run, { content, createdAt: row.created_at });
  return row.expires_at === null ? job : { ...job, expiresAtMs: row.expires_at.getTime() };
}

interface Row {
  readonly content: StoredEmail;
  readonly createdAt: Date;
}

function wholeJob({ from }: EmailActivityDeps, run: RunRef, row: Row): Job {
  const content = contentOf(row.content);
  const mail: OutgoingMail = {
    messageId: emailMessageId(run.rootId),
    date: row.createdAt.toISOString(),
    from,
    to: content.to,
    cc: content.cc ?? [],
    subject: content.subject,
    ...(content.replyTo === undefined ? {} : { replyTo: content.replyTo }),
    ...(content.html === undefined ? {} : { html: content.html }),
    ...(content.text === undefined ? {} : { text: content.text }),
  };
  return { run, content, mail, planned: emailEffects(content, run.rootId), createdAtMs: row.createdAt.getTime() };
}

/** Effects of this mail's present recipients; an edited retry may have left others behind. */
async function begunOf(store: Store, { run, planned }: Job): Promise<EffectRow[]> {
  const steps = new Set(planned.map((effect) => effect.step));
  return (await store.effects.ofRoot(run.tenantId, run.rootId)).filter((row) => steps.has(row.step));
}

/** Too late: how it stands, with nothing begun. */
async function expired(store: Store, job: Job): Promise<EmailProgress> {
  const rows = await begunOf(store, job);
  const byStep = new Map(rows.map((row) => [row.step, row]));
  const standings = job.planned.map(({ step }): Standing => {
    const state = byStep.get(step)?.state ?? 'claimed';
    return state === 'claimed' ? 'pending' : state;
  });
  return { ...count(job, { standings, isPutOff: false, suppressed: rows.filter(isSuppressed).length }), isExpired: true };
}

interface Serving {
  readonly rows: readonly EffectRow[];
  readonly budgetMs: number;
  readonly isSettling: boolean;
  /** After this long nothing more is begun, and what has not come to the body is broken off. */
  readonly limitMs?: number;
}

async function serve(deps: Deps, job: Job, { rows, budgetMs, isSettling, limitMs }: Serving): Promise<EmailProgress> {
  const session = deps.mailer.openSession();
  const plannedOf = new Map(job.planned.map((effect) => [effect.step, effect]));
  const cancelled = Context.current().cancellationSignal;
  const signal = limitMs === undefined ? cancelled : AbortSignal.any([cancelled, AbortSignal.timeout(limitMs)]);
  let isPutOff = false;
  let isHeld = false;
  let report: DeliveryReport | undefined;
  const mailFor = await personaliser(deps, job);
  const { mailer, gate } = deps;
  const party = partyOf(
    { mailer, session, mailFor, budgetMs, signal, plannedOf, content: job.content, gate, isSettling },
    {
      onPutOff: () => {
        isPutOff = true;
      },
      onHeld: () => {
        isHeld = true;
      },
      onReport: (latest) => {
        report = latest;
        isHeld ||= latest.outcome === 'deferred' && latest.slowDown !== undefined;
      },
    },
  );
  const context: EffectContext = { effects: deps.store.effects, run: job.run, party, signal, sleep: sleepInActivity };
  const standings: Standing[] = [];
  const progress = createProgress(deps.store.streams, job.run, { total: rows.length, unit: 'recipients' });
  try {
    for (const row of rows) {
      await stopIfCancelled();
      standings.push(await (isSettling ? settleEffect(context, row) : runEffect(context, row)));
      // After the effect is recorded, which must not wait for this.
      if (report !== undefined) await gate.heed(report);
      report = undefined;
      await progress.report(standings.filter((standing) => standing !== 'pending' && standing !== 'sending').length);
    }
  } finally {
    await session.close();
  }
  const served = count(job, { standings, isPutOff: isPutOff || isHeld, suppressed: rows.filter(isSuppressed).length });
  return isHeld ? { ...served, held: { forMs: Math.ceil(await gate.pausedForMs()), spread: Math.random() } } : served;
}

/** What an earlier attempt left as unknown is still to be asked for. */
function standingBeforeSending({ state }: EffectRow): Standing {
  return state === 'claimed' || state === 'unknown' ? 'pending' : state;
}

function isSuppressed({ state, response }: EffectRow): boolean {
  return state === 'refused' && response?.['reason'] === 'suppressed';
}

interface Served {
  readonly standings: readonly Standing[];
  readonly isPutOff: boolean;
  /** Of those refused, not by the mail server. */
  readonly suppressed?: number;
}

function count(job: Job, { standings, isPutOff, suppressed = 0 }: Served): EmailProgress {
  const of = (...wanted: readonly Standing[]): number => standings.filter((standing) => wanted.includes(standing)).length;
  return {
    messageId: job.mail.messageId,
    createdAtMs: job.createdAtMs,
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
