import type { Verdict } from '../lib/feature.ts';
import type { EmailEvidence, MailEvidence } from './evidence.ts';
import { hasArrived, type JournalEntry } from './journal.ts';

const TERMINAL: ReadonlySet<string> = new Set(['succeeded', 'failed', 'cancelled', 'expired', 'unknown']);
/** Ends that this load gives no reason for: nothing is refused for good, and nothing expires. */
const UNCALLED_FOR: ReadonlySet<string> = new Set(['failed', 'expired', 'missing']);

/**
 * Decides by what the mail server has, by Message-ID and envelope recipient, and by what the API answers: nobody lost, nobody served
 * twice, every operation ended, nothing sent after a terminal `cancelled`, no word of the API against the journal.
 */
export function judgeEmail({ mails, unacknowledged, journal }: EmailEvidence): Verdict {
  const arrived = journal.filter(hasArrived);
  const byRecipient = Map.groupBy(arrived, ({ recipient }) => recipient);
  const tries = Map.groupBy(journal, ({ recipient }) => recipient);
  const violations = [
    ...unacknowledged.map((ordinal) => `mail ${ordinal} was never acknowledged`),
    ...mails.flatMap((mail) => judgeOperation(mail)),
    ...mails.flatMap((mail) =>
      mail.plan.recipients.flatMap((recipient) => judgeRecipient(mail, recipient, byRecipient.get(recipient) ?? [])),
    ),
    ...mails.flatMap((mail) => judgeNotice(mail, byRecipient)),
    ...strangers(mails, arrived),
    ...repeatedIds(mails),
  ];
  const lost = new Set(journal.filter(({ outcome }) => outcome === 'lost').map(({ recipient }) => recipient));
  const sent = mails.flatMap(({ recipients }) => recipients.filter(({ state }) => state === 'sent'));
  const unknown = mails.filter(({ status }) => status === 'unknown');
  return {
    violations,
    redone: mails.reduce((sum, { steps }) => sum + redoneSteps(steps), 0),
    unknown: unknown.map(
      ({ id, recipients }) => `${id} ${recipients.flatMap((one) => (one.state === 'unknown' ? [one.address] : [])).join(' ')}`,
    ),
    figures: {
      operations: mails.length,
      succeeded: mails.filter(({ status }) => status === 'succeeded').length,
      cancelled: mails.filter(({ status }) => status === 'cancelled').length,
      unknown: unknown.length,
      arrived: arrived.length,
      told: mails.filter(({ notices }) => notices.some(({ status }) => status === 'succeeded')).length,
      retried: [...tries.values()].filter((entries) => entries.length > 1).length,
      'replies lost': lost.size,
      reconciled: sent.filter(({ smtpCode }) => smtpCode === undefined).length,
    },
  };
}

function judgeOperation({ id, plan, status, error, isCancelAsked }: MailEvidence): readonly string[] {
  const name = `mail ${plan.ordinal} (${id})`;
  if (UNCALLED_FOR.has(status)) return [`${name} is ${status}${error === undefined ? '' : `, ${error}`}`];
  if (!TERMINAL.has(status)) return [`${name} has not ended: ${status}`];
  if (status === 'cancelled' && !isCancelAsked) return [`${name} is cancelled, and nobody asked for it`];
  return [];
}

function judgeRecipient(mail: MailEvidence, recipient: string, copies: readonly JournalEntry[]): readonly string[] {
  const { id, messageId, status, cancelledAt } = mail;
  const name = `${recipient} of mail ${mail.plan.ordinal} (${id})`;
  const state = mail.recipients.find(({ address }) => address === recipient)?.state ?? 'not named by the API';
  const isExpected = status === 'succeeded' || state === 'sent';
  return [
    ...(isExpected && copies.length === 0 ? [`${name} is lost: the API says ${status}, ${state}`] : []),
    ...(status === 'succeeded' && state !== 'sent' ? [`${name} is ${state}, and the operation has succeeded`] : []),
    ...(copies.length > 1 ? [`${name} has it ${copies.length} times`] : []),
    ...(copies.length > 0 && (state === 'cancelled' || state === 'refused') ? [`${name} has it, and the API says ${state}`] : []),
    ...copies.filter(({ at }) => cancelledAt !== undefined && at > cancelledAt).map(() => `${name} got it after the terminal cancelled`),
    ...copies.filter((copy) => copy.messageId !== messageId).map((copy) => `${name} got ${copy.messageId} in place of ${messageId}`),
    ...copies.flatMap(({ mentioned }) =>
      mail.plan.bcc.filter((hidden) => mentioned.includes(hidden)).map((hidden) => `${name} can read of bcc ${hidden}`),
    ),
  ];
}

/** Who wanted to be told of the end was told, once, and nobody else. */
function judgeNotice({ id, plan, notices }: MailEvidence, byRecipient: ReadonlyMap<string, readonly JournalEntry[]>): readonly string[] {
  const name = `the end of mail ${plan.ordinal} (${id})`;
  const wanted = plan.notify === undefined ? 0 : 1;
  const copies = byRecipient.get(plan.notify ?? '') ?? [];
  const [notice] = notices;
  return [
    ...(notices.length === wanted ? [] : [`${name} has ${notices.length} mails about it, not ${wanted}`]),
    ...notices
      .filter(({ status }) => status !== 'succeeded' && status !== 'unknown')
      .map(({ status }) => `the mail about ${name} is ${status}`),
    ...(notice?.status === 'succeeded' && copies.length === 0 ? [`${name} was told to nobody`] : []),
    ...(copies.length > 1 ? [`${name} was told ${copies.length} times`] : []),
    ...copies.filter(({ messageId }) => !messageId.includes(notice?.id ?? id)).map(({ messageId }) => `${name} was told by ${messageId}`),
  ];
}

/** Mails that nobody asked for. */
function strangers(mails: readonly MailEvidence[], arrived: readonly JournalEntry[]): readonly string[] {
  const known = new Set(mails.flatMap(({ plan }) => [...plan.recipients, ...(plan.notify === undefined ? [] : [plan.notify])]));
  return arrived
    .filter(({ recipient }) => !known.has(recipient))
    .map(({ recipient, messageId }) => `${recipient} got ${messageId} of no mail`);
}

/** One idempotency key must stand for one operation, and one operation for one key. */
function repeatedIds(mails: readonly MailEvidence[]): readonly string[] {
  const byId = Map.groupBy(mails, ({ id }) => id);
  return [...byId].filter(([, same]) => same.length > 1).map(([id, same]) => `${id} was the answer to ${same.length} mails`);
}

/** Attempts beyond the first at the same step of the same run: what a crash made Temporal give out again. */
function redoneSteps(steps: MailEvidence['steps']): number {
  return steps.length - new Set(steps.map(({ runId, activityId }) => `${runId} ${activityId}`)).size;
}
