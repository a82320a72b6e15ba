import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export interface Sealing {
  /** The tenant's own. */
  readonly secret: Buffer;
  /** Tokens for one purpose open nothing else. */
  readonly purpose: string;
}

/**
 * A token for a link: tenant, then a text, encrypted and authenticated under the tenant's secret, so that it tells nobody what it stands
 * for and can't be made up. The same text gives the same token: a mail that is sent again has the same bytes.
 */
export function sealToken({ secret, purpose }: Sealing, tenantId: string, text: string): string {
  // Made from what it protects: two texts never share a nonce.
  const nonce = createHmac('sha256', secret).update(`${purpose}/nonce/${text}`).digest().subarray(0, NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, keyOf(secret, purpose), nonce).setAAD(Buffer.from(tenantId));
  const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `${tenantId}.${sealed.toString('base64url')}`;
}

/** The tenant that a token names, which nobody has checked yet. */
export function tenantOfToken(token: string): string | undefined {
  return /^([a-z0-9][a-z0-9_-]{0,62})\.[\w-]+$/.exec(token)?.[1];
}

/** What a token was sealed with, and for whom; undefined when it was not sealed with this secret for this purpose. */
export function openToken({ secret, purpose }: Sealing, token: string): { readonly tenantId: string; readonly text: string } | undefined {
  const tenantId = tenantOfToken(token);
  if (tenantId === undefined) return undefined;
  const sealed = Buffer.from(token.slice(tenantId.length + 1), 'base64url');
  if (sealed.length <= NONCE_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv(CIPHER, keyOf(secret, purpose), sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(tenantId)).setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    const text = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]).toString('utf8');
    return { tenantId, text };
  } catch {
    return undefined;
  }
}

function keyOf(secret: Buffer, purpose: string): Buffer {
  return createHmac('sha256', secret).update(`${purpose}/key`).digest();
}
