import * as z from 'zod';
import { openToken, sealToken } from './sealed-token.ts';

const PURPOSE = 'unsubscribe';

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

/** The token of an unsubscribe link. */
export function sealUnsubscribe(secret: Buffer, { tenantId, rootId, address }: UnsubscribeClaim): string {
  return sealToken({ secret, purpose: PURPOSE }, tenantId, JSON.stringify([rootId, address]));
}

/** What a token stands for; undefined when it was not sealed with this secret. */
export function openUnsubscribe(secret: Buffer, token: string): UnsubscribeClaim | undefined {
  const opened = openToken({ secret, purpose: PURPOSE }, token);
  const parsed = opened === undefined ? undefined : Sealed.safeParse(parseJson(opened.text));
  if (opened === undefined || parsed?.success !== true) return undefined;
  const [rootId, address] = parsed.data;
  return { tenantId: opened.tenantId, rootId, address };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
