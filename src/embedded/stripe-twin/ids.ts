import { randomInt } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const ID_LENGTH = 24;

export type IdPrefix = 'ch' | 'cus' | 'evt' | 'pi' | 'pm' | 're' | 'req' | 'task' | 'txn' | 'we' | 'whd' | 'whsec' | 'auth';

/** An id of the form that Stripe's have. */
export function newId(prefix: IdPrefix, length: number = ID_LENGTH): string {
  return `${prefix}_${randomText(length)}`;
}

/** What a browser needs to know to confirm an intent. */
export function newClientSecret(intentId: string): string {
  return `${intentId}_secret_${randomText(25)}`;
}

export function randomText(length: number): string {
  return Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}
