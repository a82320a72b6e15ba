import { createHmac, timingSafeEqual } from 'node:crypto';
import * as z from 'zod';

export const FileLinkParams = z.object({ token: z.string().min(1).max(300).meta({ example: 'acme.019ab6a0….1779745200.kq0Z…' }) });

/** Which file, and until when. */
export interface LinkClaim {
  readonly tenantId: string;
  readonly fileId: string;
  readonly expiresAt: Date;
  /** The end user's token that made it, with which it ends. */
  readonly madeBy?: string | undefined;
}

const TOKEN = /^([a-z0-9][a-z0-9_-]{0,62})\.([0-9a-f-]{36})\.(\d{1,12})(?:\.([a-z0-9]{8}))?\.([\w-]{43})$/;

/** The token of a download link, signed under the tenant's secret: it can be read, and not be made up or made to last longer. */
export function signLink(secret: Buffer, { tenantId, fileId, expiresAt, madeBy }: LinkClaim): string {
  const text = textOf([tenantId, fileId, String(Math.floor(expiresAt.getTime() / 1000)), madeBy]);
  return `${text}.${signatureOf(secret, text).toString('base64url')}`;
}

/** The tenant that a token names, which nobody has checked yet. */
export function tenantOfLink(token: string): string | undefined {
  return TOKEN.exec(token)?.[1];
}

/** What a token stands for; undefined when it was not signed with this secret or its time is up. */
export function openLink(secret: Buffer, token: string, now: Date): LinkClaim | undefined {
  const [, tenantId, fileId, seconds, madeBy, signature] = TOKEN.exec(token) ?? [];
  if (tenantId === undefined || fileId === undefined || signature === undefined) return undefined;
  const expected = signatureOf(secret, textOf([tenantId, fileId, seconds, madeBy]));
  const given = Buffer.from(signature, 'base64url');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  const expiresAt = new Date(Number(seconds) * 1000);
  return expiresAt > now ? { tenantId, fileId, expiresAt, madeBy } : undefined;
}

function textOf(parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined).join('.');
}

function signatureOf(secret: Buffer, text: string): Buffer {
  return createHmac('sha256', secret).update(`file/${text}`).digest();
}
