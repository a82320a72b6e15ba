import * as z from 'zod';
import { readLedger } from '../lib/ledger.ts';
import type { Answer, Product } from '../lib/product.ts';
import { JournalEntry } from './journal.ts';
import type { PlannedMail } from './plan.ts';

const AT_ONCE = 8;
const TRIES = 20;

const LedgerEntry = z.discriminatedUnion('type', [
  z.object({ type: z.literal('acknowledged'), ordinal: z.number(), id: z.string(), at: z.number() }),
  z.object({ type: z.literal('cancelAsked'), id: z.string(), answer: z.number(), at: z.number() }),
  z.object({ type: z.literal('ended'), id: z.string(), status: z.string(), at: z.number() }),
]);
const Operation = z.object({ status: z.string(), error: z.object({ code: z.string() }).optional() });
const Email = z.object({
  messageId: z.string(),
  recipients: z.array(z.object({ address: z.string(), role: z.string(), state: z.string(), smtpCode: z.number().optional() })),
});
const Notices = z.object({ data: z.array(z.object({ id: z.string(), status: z.string() })) });
const Timeline = z.object({
  data: z.array(z.object({ activity: z.string(), activityId: z.string(), runId: z.string(), attempt: z.number() })),
});

/** One acknowledged mail: what was asked, and what the API says became of it. */
export interface MailEvidence {
  readonly plan: PlannedMail;
  readonly id: string;
  /** `missing` when the API does not know it. */
  readonly status: string;
  /** The code of its error. */
  readonly error: string | undefined;
  readonly messageId: string;
  readonly recipients: z.infer<typeof Email>['recipients'];
  readonly steps: z.infer<typeof Timeline>['data'];
  /** The mails about its end, as the API lists them. */
  readonly notices: z.infer<typeof Notices>['data'];
  readonly isCancelAsked: boolean;
  /** When a client saw it `cancelled` first, in ms since 1970. */
  readonly cancelledAt: number | undefined;
}

export interface EmailEvidence {
  readonly mails: readonly MailEvidence[];
  /** Planned mails that nobody was told are accepted. */
  readonly unacknowledged: readonly number[];
  readonly journal: readonly JournalEntry[];
}

export interface EvidenceSources {
  readonly product: Product;
  readonly mails: readonly PlannedMail[];
  readonly ledgerFile: string;
  readonly journalFile: string;
}

/** Reads the two files and asks the API for everything; no memory of the run is used. */
export async function collectEvidence({ product, mails, ledgerFile, journalFile }: EvidenceSources): Promise<EmailEvidence> {
  const ledger = readLedger(ledgerFile).map((line) => LedgerEntry.parse(line));
  const cancelled = new Map(
    ledger.flatMap((entry) => (entry.type === 'ended' && entry.status === 'cancelled' ? [[entry.id, entry.at]] : [])),
  );
  const asked = new Set(ledger.flatMap((entry) => (entry.type === 'cancelAsked' ? [entry.id] : [])));
  const acknowledged = ledger.flatMap((entry) => (entry.type === 'acknowledged' ? [entry] : []));
  const evidence: MailEvidence[] = [];
  for (let index = 0; index < acknowledged.length; index += AT_ONCE) {
    const page = acknowledged.slice(index, index + AT_ONCE).map(async ({ id, ordinal }) => {
      const plan = mails[ordinal];
      if (plan === undefined) throw new Error(`the ledger has a mail ${ordinal} that nobody planned`);
      return { plan, id, isCancelAsked: asked.has(id), cancelledAt: cancelled.get(id), ...(await askAbout(product, id)) };
    });
    evidence.push(...(await Promise.all(page)));
  }
  const known = new Set(acknowledged.map(({ ordinal }) => ordinal));
  return {
    mails: evidence,
    unacknowledged: mails.flatMap(({ ordinal }) => (known.has(ordinal) ? [] : [ordinal])),
    journal: readLedger(journalFile).map((line) => JournalEntry.parse(line)),
  };
}

async function askAbout(
  product: Product,
  id: string,
): Promise<Pick<MailEvidence, 'status' | 'error' | 'messageId' | 'recipients' | 'steps' | 'notices'>> {
  const [operation, email, timeline, notices] = [
    await read(product, `/v1/operations/${id}`),
    await read(product, `/v1/emails/${id}`),
    await read(product, `/v1/operations/${id}/timeline`),
    await read(product, `/v1/operations?tag=notify&text=notify:${id}:`),
  ];
  if (operation.status !== 200) return { status: 'missing', error: undefined, messageId: '', recipients: [], steps: [], notices: [] };
  const { messageId, recipients } = Email.parse(email.body);
  const { status, error } = Operation.parse(operation.body);
  const { data: steps } = Timeline.parse(timeline.body);
  return { status, error: error?.code, messageId, recipients, steps, notices: Notices.parse(notices.body).data };
}

async function read(product: Product, path: string): Promise<Answer> {
  for (let left = TRIES; ; left -= 1) {
    const answer = await product.call('GET', path).catch(() => undefined);
    if (answer !== undefined && answer.status < 500) return answer;
    if (left === 0) throw new Error(`The API does not answer GET ${path}.`);
  }
}
