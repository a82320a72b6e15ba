import { join } from 'node:path';
import type { ChaosFeature, FeatureRun, FeatureWorld } from './lib/feature.ts';
import { Ledger } from './lib/ledger.ts';
import { collectEvidence } from './email/evidence.ts';
import { createHolds } from './email/holds.ts';
import { judgeEmail } from './email/judge.ts';
import { liveMail } from './email/life.ts';
import { startMailServer } from './email/mail-server.ts';
import { planMails } from './email/plan.ts';

/** Mails over SMTP to a server of our own, which fails as real ones do, keeps a journal, and can be asked what it has. */
export const emailChaos: ChaosFeature = {
  name: 'email',
  targets: ['app', 'postgres', 'temporal', 'supervisor', 'stall'],
  open,
};

async function open({ seed, count, folder }: FeatureRun): Promise<FeatureWorld> {
  const mails = planMails(seed, count);
  // Mails that are cancelled may or may not come; strikes don't wait for them.
  const expected = new Set(mails.flatMap((mail) => (mail.cancelAfterMs === undefined ? mail.recipients : [])));
  const seen = new Set<string>();
  const journalFile = join(folder, 'journal.jsonl');
  const ledger = await Ledger.create(join(folder, 'ledger.jsonl'));
  const holds = createHolds(mails.filter((mail) => mail.isCancelledInBody));
  const server = await startMailServer({
    seed,
    holds,
    journalFile,
    onAccepted: (recipient) => {
      if (expected.has(recipient)) seen.add(recipient);
    },
  });
  return {
    environment: {
      SMTP_URL: server.smtpUrl,
      MAIL_LOOKUP_URL: server.lookupUrl,
      RATE_LIMIT_PER_MINUTE: '10000000',
    },
    expectedEffects: expected.size,
    seenEffects: () => seen.size,
    async live(ordinal, load, onAcknowledged) {
      const mail = mails[ordinal];
      if (mail === undefined) throw new Error(`there is no mail ${ordinal}`);
      await liveMail(mail, { load, ledger, hold: holds.of(ordinal), onAcknowledged });
    },
    async judge(product) {
      const verdict = judgeEmail(await collectEvidence({ product, mails, ledgerFile: ledger.path, journalFile }));
      return { ...verdict, figures: { ...verdict.figures, 'look-ups': server.lookups() } };
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await ledger[Symbol.asyncDispose]();
    },
  };
}
