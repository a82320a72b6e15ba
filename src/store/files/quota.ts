import { sql } from 'kysely';
import type { Tx } from '../database.ts';

interface Reservation {
  readonly tenantId: string;
  readonly id: string;
  readonly deltaBytes: number;
  readonly quotaBytes: number;
}

/** Takes the transaction back. */
export class QuotaError extends Error {
  override readonly name = 'QuotaError';
}

/** False: the tenant has not so many bytes left. */
export async function reserve(tx: Tx, { tenantId, id, deltaBytes, quotaBytes }: Reservation): Promise<boolean> {
  const { rows } = await sql<{
    ok: boolean;
  }>`select reserve_file_bytes(${tenantId}, ${id}, ${deltaBytes}, ${quotaBytes}) as ok`.execute(tx);
  return rows[0]?.ok === true;
}

/** What is reserved for a file. */
export async function reservedOf(tx: Tx, id: string): Promise<number> {
  const row = await tx.selectFrom('file').select('reserved_bytes').where('id', '=', id).executeTakeFirst();
  return row?.reserved_bytes ?? 0;
}

/** For bytes whose number nobody had said. */
export async function reserveUpTo(
  tx: Tx,
  { offsetBytes, ...more }: Omit<Reservation, 'deltaBytes'> & { readonly offsetBytes: number },
): Promise<boolean> {
  const deltaBytes = offsetBytes - (await reservedOf(tx, more.id));
  return deltaBytes <= 0 || reserve(tx, { ...more, deltaBytes });
}

/** What was reserved for bytes that will not come is free again. */
export async function reserveDownTo(tx: Tx, { offsetBytes, ...more }: Omit<Reservation, 'deltaBytes'> & { readonly offsetBytes: number }) {
  const deltaBytes = offsetBytes - (await reservedOf(tx, more.id));
  if (deltaBytes < 0) await reserve(tx, { ...more, deltaBytes });
}
