// What the claims of mails about carts are looked at with: a database, and means to force the order of events in it.
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { sql } from 'kysely';
import pg from 'pg';
import { createDispatchBridge } from '../../src/contracts/bridge.ts';
import { type EmailContent, emailEffects } from '../../src/contracts/email.ts';
import type { MailClaimed } from '../../src/store/checkout/cart-times.ts';
import { type Databases, openDatabases } from '../../src/store/database.ts';
import { createStore, type Store } from '../../src/store/index.ts';
import { useDatabase } from '../support/ground.ts';

export const TENANT = 'shop';
export const ACTOR = { actor: 'key:test' };
export const HOUR_MS = 3_600_000;
export const TOUCHED = new Date('2026-11-25T12:00:00Z');
/** When the mails are due that are claimed. */
export const DUE = new Date(TOUCHED.getTime() + HOUR_MS);
export const RULES = { reminderDelaysMs: [HOUR_MS], shopTimeZone: 'UTC', expiresAfterMs: 720 * HOUR_MS };
const BUDGET_MS = 1_000;

type Effect = Awaited<ReturnType<Store['effects']['claim']>>[number];

export interface OpenMail {
  /** Claims what there is to send, and answers with what begins it. */
  claim(): Promise<() => Promise<boolean>>;
  /** Claims and begins in one, as the first attempt does. */
  beginFirst(): Promise<boolean>;
}

interface ClaimWorld {
  databases(): Databases;
  store(): Store;
  /** A mail that was taken on, in the hands of its workflow, which has claimed nothing. */
  open(claimed: MailClaimed): Promise<OpenMail | undefined>;
  /** Whether anything of a mail that was taken on would still be sent: the steps of its workflow up to the first byte. */
  wouldBeSent(claimed: MailClaimed): Promise<boolean>;
  /** Waits until somebody in this database waits for a lock, or so many do. */
  untilSomebodyWaits(count?: number): Promise<void>;
  /** Holds every transaction up that writes an audit row, as the last thing that each does, until `work` is through. */
  holdingAudit(work: () => Promise<void>): Promise<void>;
  /** Holds every transaction up that writes an operation, from when it does, until `work` is through. */
  holdingOperations(work: () => Promise<void>): Promise<void>;
}

/** A shop that sells one thing. */
export function useClaims(): ClaimWorld {
  let databases: Databases;
  let store: Store;
  let owner: pg.Client;

  before(async () => {
    const { databaseUrl: url, ownerUrl } = await useDatabase();
    owner = new pg.Client({ connectionString: ownerUrl });
    await owner.connect();
    databases = openDatabases({ url, systemUrl: url, directUrl: url, poolSize: 8 });
    store = createStore(databases, createDispatchBridge());
    await store.tenants.put({ id: TENANT, name: 'A shop', actor: ACTOR, now: TOUCHED });
    const gear = { name: 'Gear', prices: [{ amount: 100, currency: 'EUR' }], taxPercent: 0, stock: 1_000_000, isActive: true };
    await store.products.put({ tenantId: TENANT, sku: 'gear', content: gear, actor: ACTOR, now: TOUCHED });
  });
  after(async () => {
    await owner.end();
    await databases[Symbol.asyncDispose]();
  });

  async function open(claimed: MailClaimed): Promise<OpenMail | undefined> {
    if (claimed.outcome !== 'created') return undefined;
    const { id: operationId, root_id: rootId, input } = claimed.operation;
    const run = { tenantId: TENANT, operationId, rootId, kind: 'email', attempt: 1, runId: `run-${operationId}`, nowMs: DUE.getTime() };
    const opened = await store.lifecycle.open(run);
    if (!opened.opened) return undefined;
    // As the claim made it.
    const effects = emailEffects(input as EmailContent, rootId);
    return {
      async claim() {
        const rows = await store.effects.claim({ ...run, effects });
        return async () => {
          const begun = await Promise.all(rows.map((row, index) => begin(row, effects[index]?.reaches)));
          return begun.some(Boolean);
        };
      },
      async beginFirst() {
        const begun = await Promise.all(
          effects.map(({ step, digest, reaches }) =>
            store.effects.beginFirst({ ...run, key: `${rootId}/${step}#1`, step, digest }, BUDGET_MS, { reaches, nowMs: run.nowMs }),
          ),
        );
        return begun.some(Boolean);
      },
    };
  }

  async function begin(row: Effect, reaches: ReturnType<typeof emailEffects>[number]['reaches'] | undefined): Promise<boolean> {
    assert.ok(reaches !== undefined);
    if (row.state !== 'claimed') return false;
    return store.effects.begin({ tenantId: TENANT, key: row.key, fence: row.fence }, BUDGET_MS, { reaches, nowMs: DUE.getTime() });
  }

  return {
    databases: () => databases,
    store: () => store,
    open,
    async wouldBeSent(claimed) {
      const opened = await open(claimed);
      return opened === undefined ? false : (await opened.claim())();
    },
    async untilSomebodyWaits(count = 1) {
      for (;;) {
        const { rows } = await sql<{ waiting: number }>`
          select count(distinct pid)::int as waiting from pg_locks join pg_stat_activity using (pid)
          where not granted and datname = current_database()`.execute(databases.app);
        if ((rows[0]?.waiting ?? 0) >= count) return;
      }
    },
    async holdingAudit(work) {
      await owner.query('begin');
      try {
        await owner.query('lock table audit_entry in share mode');
        await work();
      } finally {
        await owner.query('commit');
      }
    },
    holdingOperations: (work) =>
      databases.system.transaction().execute(async (tx) => {
        await sql`select from tenant where id = ${TENANT} for update`.execute(tx);
        await work();
      }),
  };
}
