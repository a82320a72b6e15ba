import * as z from 'zod';
import { parseDuration } from '../duration.ts';
import { Instant } from '../operation.ts';
import { PageQuery, pageOf } from '../routes.ts';
import { FILE_STATES } from '../pure/files.ts';

const MAX_NAME_CHARS = 255;
const MIN_LINK_MS = 60_000;
const MAX_LINK_MS = 30 * 86_400_000; // 30 days

export const FileState = z.enum(FILE_STATES).meta({
  id: 'FileState',
  description:
    '`uploading`: bytes are still coming. `checking`: all are here, and are looked at. `quarantined`: they may not be what they say they are; ' +
    '`reasons` says why, and nobody gets them. `ready`: they can be had. `failed`: there is no file, `reasons` says why. `deleted`: gone for good.',
});

/** What the user calls a file. Shown and offered as a name for downloads; never a path of ours. */
export const FileName = z
  .string()
  .min(1)
  .max(MAX_NAME_CHARS)
  // oxlint-disable-next-line no-control-regex -- these are the ones that are refused
  .regex(/^[^\u0000-\u001f\u007f/\\]*$/, 'must not hold control characters or slashes')
  .refine((name) => name.isWellFormed() && name !== '.' && name !== '..', 'must be a name')
  .meta({ example: 'orders.csv' });

/** `type/subtype` without parameters, in small letters. */
export const MediaType = z
  .string()
  .max(127)
  .regex(/^[a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*$/, 'must be a media type such as text/csv')
  .meta({ example: 'text/csv' });

/** Why a file is in quarantine, or failed: a code to decide by, and words for people. */
export const FileReason = z
  .object({
    code: z.string().meta({ example: 'type_mismatch' }),
    message: z.string().meta({ example: 'The content is application/zip, but the name ends with .csv.' }),
  })
  .meta({ id: 'FileReason' });
export type FileReason = z.infer<typeof FileReason>;

/** What the virus scanner can say. Without signatures a file is never called clean. */
export const AntivirusState = z.enum(['clean', 'infected', 'no_signature_database', 'not_scanned']).meta({ id: 'AntivirusState' });

export const FileChecks = z
  .object({
    antivirus: z.object({ state: AntivirusState, engine: z.string(), signature: z.string().optional() }),
  })
  .meta({ id: 'FileChecks', description: 'What was found out beside the type.' });
export type FileChecks = z.infer<typeof FileChecks>;

export const StoredFile = z
  .object({
    id: z.uuid(),
    object: z.literal('file'),
    createdAt: Instant,
    updatedAt: Instant,
    state: FileState,
    name: z.string().optional(),
    declaredType: z.string().optional().meta({ description: 'What the uploader said it is.' }),
    mediaType: z.string().optional().meta({ description: 'What the content is.' }),
    sizeBytes: z.int().optional(),
    receivedBytes: z.int().optional().meta({ description: 'While it is `uploading`: how many bytes are safe.' }),
    sha256: z.string().optional().meta({ description: 'In hexadecimal.' }),
    reasons: z.array(FileReason).optional(),
    checks: FileChecks.optional(),
    source: z.string().optional().meta({ description: 'Where the bytes are, when they were registered and not uploaded.' }),
    operationId: z.uuid().optional().meta({ description: 'The latest operation that processed it.' }),
    ownerSubject: z.string().optional(),
    metadata: z.record(z.string(), z.unknown()),
    expiresAt: Instant.optional().meta({ description: 'While it is `uploading`: when it is given up unless more comes.' }),
    links: z.object({ self: z.string(), content: z.string().optional(), upload: z.string().optional() }),
  })
  .meta({ id: 'File' });
export type StoredFile = z.infer<typeof StoredFile>;

export const FileQuery = z.object({
  ...PageQuery,
  state: FileState.optional().meta({ description: 'Only files in this state; without it all but deleted ones.', example: 'ready' }),
});

export const FilePage = pageOf(StoredFile, 'FilePage');

export const NewFileLink = z
  .strictObject({
    expiresIn: z
      .string()
      .max(20)
      .refine(isLinkLife, 'must be a duration from 1m to 30d, such as 24h')
      .default('24h')
      .meta({ description: 'How long the link works, `1m` to `30d`; one made by a token no longer than the token.', example: '24h' }),
  })
  .meta({ id: 'NewFileLink' });

export const FileLink = z
  .object({
    object: z.literal('fileLink'),
    createdAt: Instant,
    expiresAt: Instant,
    url: z.url().meta({ description: 'Whoever has it can download the file, without a key, until it expires or the file is deleted.' }),
  })
  .meta({ id: 'FileLink' });
export type FileLink = z.infer<typeof FileLink>;

function isLinkLife(text: string): boolean {
  const lifeMs = parseDuration(text);
  return lifeMs !== undefined && lifeMs >= MIN_LINK_MS && lifeMs <= MAX_LINK_MS;
}
