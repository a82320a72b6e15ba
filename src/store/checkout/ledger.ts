import { uuidv7 } from 'uuidv7';
import type { Kysely } from 'kysely';
import type { BalanceTransaction, PaymentIntent, Refund } from '../../adapters/payments.ts';
import type { LEDGER_ACCOUNTS } from '../../contracts/checkout/ledger.ts';
import { type Tx, withTenant } from '../database.ts';
import type { Database } from '../schema.ts';
import type { OrderRow } from './merge.ts';

type Account = (typeof LEDGER_ACCOUNTS)[number];

interface Entry {
  readonly account: Account;
  readonly currency: string;
  /** Debits are positive, credits negative. */
  readonly amount: number;
}

/** One fact and what it means for the accounts. Posted once, whoever finds it and how often. */
export interface Posting {
  readonly sourceKind: 'balance_transaction' | 'sale' | 'refund' | 'refund_failed';
  readonly sourceId: string;
  readonly entries: readonly Entry[];
}

export interface SettledRefund {
  readonly id: string;
  readonly amount: number;
  readonly balance?: BalanceTransaction | undefined;
  readonly failureBalance?: BalanceTransaction | undefined;
  readonly hasFailed: boolean;
}

/** What was sold and what the provider booked for it. */
export function postingsOfIntent(order: OrderRow, intent: PaymentIntent): readonly Posting[] {
  const captured = intent.receivedAmount;
  if (captured === 0) return [];
  const { currency } = order;
  const tax = taxOf(order, captured);
  const sale: Posting = {
    sourceKind: 'sale',
    sourceId: order.id,
    entries: [
      { account: 'customer_receivable', currency, amount: captured },
      { account: 'revenue', currency, amount: tax - captured },
      { account: 'tax_payable', currency, amount: -tax },
    ],
  };
  const balance = intent.charge?.balance;
  return balance === undefined ? [sale] : [sale, movement(balance, { currency, amount: captured })];
}

/** What was given back; a refund that failed leaves both its bookings and their opposites. */
export function postingsOfRefund(order: OrderRow, refund: SettledRefund): readonly Posting[] {
  const { currency } = order;
  const tax = taxOf(order, refund.amount);
  const given = [
    { account: 'refunds', currency, amount: refund.amount - tax },
    { account: 'tax_payable', currency, amount: tax },
    { account: 'customer_receivable', currency, amount: -refund.amount },
  ] as const;
  const { balance, failureBalance } = refund;
  return [
    { sourceKind: 'refund' as const, sourceId: refund.id, entries: given },
    ...(balance === undefined ? [] : [movement(balance, { currency, amount: -refund.amount })]),
    ...(refund.hasFailed
      ? [
          {
            sourceKind: 'refund_failed' as const,
            sourceId: refund.id,
            entries: given.map((entry) => ({ ...entry, amount: -entry.amount })),
          },
        ]
      : []),
    ...(failureBalance === undefined ? [] : [movement(failureBalance, { currency, amount: refund.amount })]),
  ];
}

/** What a payment that is no order’s did to our balance: the buyer is owed what it took, in its own currency, until it is given back. */
export function postingsOfOther(intent: PaymentIntent, refunds: readonly Refund[]): readonly Posting[] {
  const { currency } = intent.money;
  const taken = intent.charge?.balance;
  const moved = [
    ...(taken === undefined ? [] : [{ balance: taken, amount: intent.receivedAmount }]),
    ...refunds.flatMap(({ balance, failureBalance, money: { amount } }) => [
      ...(balance === undefined ? [] : [{ balance, amount: -amount }]),
      ...(failureBalance === undefined ? [] : [{ balance: failureBalance, amount }]),
    ]),
  ];
  return moved.map(({ balance, amount }) => movement(balance, { currency, amount }));
}

/** Books what is not booked yet. */
export async function post(
  tx: Tx,
  order: OrderRow,
  { postings, now }: { readonly postings: readonly Posting[]; readonly now: Date },
): Promise<void> {
  if (postings.length === 0) return;
  // Most readings of a payment say what is booked long since.
  const booked = await tx.selectFrom('ledger_transaction').select(['source_kind', 'source_id']).where('order_id', '=', order.id).execute();
  const isBooked = new Set(booked.map(({ source_kind: kind, source_id: id }) => `${kind} ${id}`));
  for (const { sourceKind, sourceId, entries } of postings.filter(
    (posting) => !isBooked.has(`${posting.sourceKind} ${posting.sourceId}`),
  )) {
    const id = uuidv7();
    const isNew = await tx
      .insertInto('ledger_transaction')
      .values({ id, tenant_id: order.tenant_id, order_id: order.id, source_kind: sourceKind, source_id: sourceId, at: now })
      .onConflict((conflict) => conflict.columns(['tenant_id', 'source_kind', 'source_id']).doNothing())
      .returning('id')
      .executeTakeFirst();
    if (isNew === undefined) continue;
    const rows = entries
      .filter(({ amount }) => amount !== 0)
      .map((entry, leg) => ({ transaction_id: id, leg, tenant_id: order.tenant_id, ...entry }));
    if (rows.length > 0) await tx.insertInto('ledger_entry').values(rows).execute();
  }
}

export function createLedgerStore(db: Kysely<Database>) {
  /** Every account’s balance in every currency. */
  async function balances(tenantId: string) {
    return withTenant(db, tenantId, (tx) =>
      tx
        .selectFrom('ledger_entry')
        .select((e) => ['account', 'currency', e.fn.sum<string>('amount').as('balance')])
        .where('tenant_id', '=', tenantId)
        .groupBy(['account', 'currency'])
        .orderBy('currency')
        .orderBy('account')
        .execute(),
    );
  }

  return { balances };
}

interface Gross {
  readonly currency: string;
  /** What the buyer’s side of it is, in the order’s currency; negative when it left. */
  readonly amount: number;
}

/** A movement of our balance at the provider; between currencies, by way of an account of its own. */
function movement(balance: BalanceTransaction, gross: Gross): Posting {
  const settled = [
    { account: 'provider_clearing', currency: balance.currency, amount: balance.net },
    { account: 'provider_fees', currency: balance.currency, amount: balance.fee },
  ] as const;
  const buyer = { account: 'customer_receivable', currency: gross.currency, amount: -gross.amount } as const;
  const entries: readonly Entry[] =
    balance.currency === gross.currency
      ? [...settled, { ...buyer, amount: -balance.amount }]
      : [
          ...settled,
          { account: 'currency_exchange', currency: balance.currency, amount: -balance.amount },
          buyer,
          { account: 'currency_exchange', currency: gross.currency, amount: gross.amount },
        ];
  return { sourceKind: 'balance_transaction', sourceId: balance.id, entries };
}

/** The tax in a part of the total, to the nearest unit. */
function taxOf({ tax_amount: tax, total_amount: total }: OrderRow, amount: number): number {
  return amount === total ? tax : Math.round((tax * amount) / total);
}
