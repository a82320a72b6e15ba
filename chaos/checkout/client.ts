import * as z from 'zod';
import type { Ledger } from '../lib/ledger.ts';
import type { Load } from '../lib/load.ts';
import type { Mailboxes } from './mailboxes.ts';

/** What a buyer needs of a cart. */
export const Cart = z.object({ id: z.string(), quote: z.object({ quoteHash: z.string() }) });
export type Cart = z.infer<typeof Cart>;

/** What a buyer acts by, and notes the answers in. */
export interface Client {
  readonly load: Load;
  readonly ledger: Ledger;
  readonly mailboxes: Mailboxes;
  readonly onAcknowledged: () => void;
}
