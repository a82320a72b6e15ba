import * as z from 'zod';
import { ApiKeyParams, Scope } from './api-keys.ts';
import { parseDuration } from './duration.ts';
import { Instant } from './operation.ts';
import { pageOf, KeyPageQuery } from './routes.ts';
import { Subject } from './subject.ts';

const MIN_TTL_MS = 60_000;
const MAX_TTL_MS = 3_600_000;
const DEFAULT_TTL = '15m';

const Resource = z
  .string()
  .regex(
    /^[a-z][a-z_]{0,63}\/[A-Za-z0-9][A-Za-z0-9._:~-]{0,127}$/,
    'must be a type and an id, such as operation/019ab6a0-7c00-7000-8000-000000000001',
  )
  .meta({ example: 'email/019ab6a0-7c00-7000-8000-000000000001' });

export const NewToken = z
  .strictObject({
    subject: Subject.meta({
      description: 'Your id of the end user. The token reaches only what has this `ownerSubject`.',
      example: 'u_42',
    }),
    scopes: z
      .array(Scope)
      .min(1)
      .max(50)
      .meta({ description: 'What the token may do; at most what the key that makes it may do.', example: ['email:read'] }),
    resources: z.array(Resource).min(1).max(100).optional().meta({
      description:
        'Nothing but these, `operation/{id}` or `{kind}/{id}`; the id of a first attempt covers the later ones. A token with resources starts nothing new.',
    }),
    ttl: z
      .string()
      .max(20)
      .refine(isTtl, 'must be a duration from 1m to 1h, such as 15m')
      .default(DEFAULT_TTL)
      .meta({ description: 'How long it works, `1m` to `1h`; never longer than the key.', example: DEFAULT_TTL }),
  })
  .meta({ id: 'NewToken' });

export const Token = z
  .object({
    id: z.string().meta({ example: 't7w2x9ab' }),
    object: z.literal('token'),
    createdAt: Instant,
    subject: z.string(),
    scopes: z.array(z.string()),
    resources: z.array(z.string()).optional(),
    expiresAt: Instant,
    revokedAt: Instant.optional(),
    secret: z.string().optional().meta({ description: 'The whole token. Shown once, in the answer that made it, and stored nowhere.' }),
  })
  .meta({ id: 'Token' });
export type Token = z.infer<typeof Token>;

export const TokenPage = pageOf(Token, 'TokenPage');

export const TokenParams = ApiKeyParams;

export const TokenQuery = z.object({
  subject: Subject.optional().meta({ description: 'Only those of this end user.', example: 'u_42' }),
  ...KeyPageQuery,
});

/** What somebody is signed in with to our own pages. */
export const Session = z
  .object({
    id: z.string().meta({ example: 'c5n7q3ab' }),
    object: z.literal('session'),
    createdAt: Instant,
    expiresAt: Instant,
    scopes: z.array(z.string()),
    keyId: z.string().optional().meta({ description: 'The key whose rights it has, and with which it ends.', example: 'k3v9x2ab' }),
    revokedAt: Instant.optional(),
    lastUsedAt: Instant.optional().meta({ description: 'To the minute, some seconds late.' }),
  })
  .meta({ id: 'Session' });
export type Session = z.infer<typeof Session>;

export const SessionPage = pageOf(Session, 'SessionPage');

export const SessionParams = ApiKeyParams;

/** A way into our own pages, for one use. */
export const SessionLink = z
  .object({
    id: z.string().meta({ example: 's4m8x2ab' }),
    object: z.literal('sessionLink'),
    createdAt: Instant,
    expiresAt: Instant,
    link: z.url().meta({ description: 'Open it in a browser on this machine. It works once.' }),
  })
  .meta({ id: 'SessionLink' });
export type SessionLink = z.infer<typeof SessionLink>;

function isTtl(text: string): boolean {
  const ttlMs = parseDuration(text);
  return ttlMs !== undefined && ttlMs >= MIN_TTL_MS && ttlMs <= MAX_TTL_MS;
}
