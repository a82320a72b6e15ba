import * as z from 'zod';
import { Instant } from './operation.ts';
import { pageOf } from './routes.ts';

/** Scopes of the core; each kind of operation adds its own. `*` covers all, `email:*` covers reading and writing of e-mail. */
export const CORE_SCOPES = [
  'operations:read',
  'operations:write',
  'events:read',
  'users:read',
  'users:write',
  'tokens:write',
  'catalogue:write',
  'sessions:write',
  'admin',
] as const;

export const Scope = z
  .string()
  .regex(/^(\*|admin|[a-z][a-z_]*:(read|write|\*))$/, 'must be `*`, `admin`, or an area with `:read`, `:write` or `:*`')
  .meta({ example: 'email:write' });

const KeyName = z.string().trim().min(1).max(100).meta({ description: 'For people: what uses the key.', example: 'web shop' });

export const NewApiKey = z
  .strictObject({
    name: KeyName,
    scopes: z
      .array(Scope)
      .min(1)
      .max(50)
      .meta({
        description: 'What the key may do; at most what the key that makes it may do.',
        example: ['email:write', 'operations:read'],
      }),
    expiresAt: Instant.optional().meta({ description: 'The key stops working then. Without it, it works until it is revoked.' }),
  })
  .meta({ id: 'NewApiKey' });

export const ApiKey = z
  .object({
    id: z.string().meta({ example: 'k3v9x2ab' }),
    object: z.literal('apiKey'),
    createdAt: Instant,
    name: z.string(),
    scopes: z.array(z.string()),
    expiresAt: Instant.optional(),
    revokedAt: Instant.optional(),
    lastUsedAt: Instant.optional().meta({ description: 'To the minute, some seconds late. Absent: it was never used.' }),
    secret: z.string().optional().meta({ description: 'The whole key. Shown once, in the answer that made it, and stored nowhere.' }),
  })
  .meta({ id: 'ApiKey' });
export type ApiKey = z.infer<typeof ApiKey>;

export const ApiKeyPage = pageOf(ApiKey, 'ApiKeyPage');

/** Keys, tokens and sessions have the same ids. */
export const API_KEY_ID = /^[a-z0-9]{8}$/;

export const ApiKeyParams = z.object({ id: z.string().regex(API_KEY_ID).meta({ example: 'k3v9x2ab' }) });

/** Whether one of the scopes somebody has covers the one that is needed. */
export function coversScope(held: readonly string[], needed: string): boolean {
  const area = needed.slice(0, needed.indexOf(':'));
  return held.includes('*') || held.includes(needed) || (needed.includes(':') && held.includes(`${area}:*`));
}
