import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import * as z from 'zod';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What authors write where each recipient's own link is to be. */
export const UNSUBSCRIBE_PLACEHOLDER = '{{unsubscribeUrl}}';

export const UnsubscribeParams = z.object({ token: z.string().min(1).max(1000).meta({ example: 'acme.kq0Z…' }) });

const Sealed = z.tuple([z.uuid(), z.string().min(1)]);

/** Whose mail it was, and who got it. */
export interface UnsubscribeClaim {
  readonly tenantId: string;
  /** The mail: root id of its operation. */
  readonly rootId: string;
  readonly address: string;
}

/**
 * The token of an unsubscribe link: tenant, then mail and recipient, encrypted and authenticated under the tenant's secret, so that it
 * tells nobody an address and can't be made up. The same claim gives the same token: a mail that is sent again has the same bytes.
 */
export function sealUnsubscribe(secret: Buffer, { tenantId, rootId, address }: UnsubscribeClaim): string {
  const text = JSON.stringify([rootId, address]);
  // Made from what it protects: two texts never share a nonce.
  const nonce = nonceFor(secret, text);
  const cipher = createCipheriv(CIPHER, keyOf(secret), nonce).setAAD(Buffer.from(tenantId));
  const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `${tenantId}.${sealed.toString('base64url')}`;
}

/** The tenant that a token names, which nobody has checked yet. */
export function tenantOfUnsubscribe(token: string): string | undefined {
  return /^([a-z0-9][a-z0-9_-]{0,62})\.[\w-]+$/.exec(token)?.[1];
}

/** What a token stands for; undefined when it was not sealed with this secret. */
export function openUnsubscribe(secret: Buffer, token: string): UnsubscribeClaim | undefined {
  const tenantId = tenantOfUnsubscribe(token);
  if (tenantId === undefined) return undefined;
  const sealed = Buffer.from(token.slice(tenantId.length + 1), 'base64url');
  if (sealed.length <= NONCE_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv(CIPHER, keyOf(secret), sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(tenantId)).setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    const text = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]).toString('utf8');
    const [rootId, address] = Sealed.parse(JSON.parse(text));
    return { tenantId, rootId, address };
  } catch {
    return undefined;
  }
}

function keyOf(secret: Buffer): Buffer {
  return createHmac('sha256', secret).update('unsubscribe/key').digest();
}

function nonceFor(secret: Buffer, text: string): Buffer {
  return createHmac('sha256', secret).update(`unsubscribe/nonce/${text}`).digest().subarray(0, NONCE_BYTES);
}
