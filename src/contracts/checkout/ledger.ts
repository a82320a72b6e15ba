import * as z from 'zod';
import { Currency } from './money.ts';

/** Accounts of the double-entry ledger. Debits are positive, credits negative. */
export const LEDGER_ACCOUNTS = [
  'customer_receivable',
  'provider_clearing',
  'provider_fees',
  'revenue',
  'tax_payable',
  'refunds',
  'currency_exchange',
] as const;

const LedgerAccount = z.enum(LEDGER_ACCOUNTS).meta({ id: 'LedgerAccount' });

export const LedgerBalance = z
  .object({
    object: z.literal('ledgerBalance'),
    accounts: z
      .array(
        z.object({
          account: LedgerAccount,
          currency: Currency,
          balance: z.int().meta({ description: 'Debits less credits, in minor units.' }),
        }),
      )
      .meta({ description: 'Of each currency they add up to 0.' }),
  })
  .meta({ id: 'LedgerBalance' });
