import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { OutgoingMail } from '../adapters/mailer.ts';
import type { EmailTemplates } from '../adapters/templates.ts';
import { contentOf, emailEffects, emailMessageId, isMade, type StoredEmail } from '../contracts/email.ts';
import type { EmailProgress } from '../contracts/pure/email.ts';
import type { FirstStep, RunRef } from '../contracts/pure/operations.ts';
import type { EffectRow } from '../store/effects.ts';
import type { Store } from '../store/index.ts';
import { firstTry, type FirstTryDeps } from './email/first-try.ts';
import { makeNotice } from './email/notice.ts';
import { createRouteGate } from './email/route-gate.ts';
import { count, isSuppressed, type Job, serve } from './email/serve.ts';
import { claimEffects, type Standing, unclaimedEffects } from './lib/effect.ts';
import { withHeartbeat } from './lib/heartbeat.ts';

/** More recipients than this go to the mail queue at once; fewer are tried in the opening step. */
const MAX_FIRST_TRY_RECIPIENTS = 2;
const BUDGET_MS = 30_000;

export interface SendEmailRequest {
  readonly run: RunRef;
  /** Only find out what became of what was begun; begin nothing. */
  readonly isSettling: boolean;
}

export interface EmailActivityDeps extends Omit<FirstTryDeps, 'gate'> {
  /** From header and envelope sender. */
  readonly from: string;
  readonly templates: EmailTemplates;
  /** The mail server that all mail goes through; its pauses are kept under this name. */
  readonly route: string;
  /** Whether the feature is on. The opening step runs wherever `core` does, so it must leave the mails of one that is off to the queue. */
  readonly sendsMail: boolean;
}

interface Deps extends EmailActivityDeps, FirstTryDeps {}

export function createEmailActivities(given: EmailActivityDeps) {
  const { store } = given;
  const deps: Deps = { ...given, gate: createRouteGate(store.system.emailRoutes, given.route) };

  /** Opens the operation and tries a short mail once. Runs as a local activity of ≤ 2 s; what it leaves is for `sendEmail`. */
  async function openEmail(run: RunRef): Promise<FirstStep<EmailProgress>> {
    const opened = await store.lifecycle.open(run);
    if (!opened.opened) return opened;
    const { input, createdAt, isFresh } = opened.value;
    // Checked against the kind's schema when it was accepted, or made by us.
    const content = input as StoredEmail;
    const job = wholeJob(deps, run, { content, createdAt });
    const isLong = job.planned.length > MAX_FIRST_TRY_RECIPIENTS || job.content.attachments !== undefined || !isMade(content);
    if (!deps.sendsMail || isLong || Context.current().info.attempt > 1)
      return { opened: true, value: count(job, { standings: job.planned.map(() => 'pending'), isPutOff: false }) };
    const rows = isFresh ? unclaimedEffects(run, job.planned) : await claimEffects(store.effects, run, job.planned);
    // Asking what became of these may take longer than this step has.
    if (rows.some(({ state }) => state === 'sending' || state === 'unknown'))
      return { opened: true, value: count(job, { standings: rows.map(standingBeforeSending), isPutOff: false }) };
    return firstTry(deps, job, rows);
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
  return { run, content, mail, planned: emailEffects(content, run.rootId) };
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

/** What an earlier attempt left as unknown is still to be asked for. */
function standingBeforeSending({ state }: EffectRow): Standing {
  return state === 'claimed' || state === 'unknown' ? 'pending' : state;
}
