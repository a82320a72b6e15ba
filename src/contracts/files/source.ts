import * as z from 'zod';
import { StartFields } from '../operation.ts';
import { parseS3Location, type S3Location } from '../s3-location.ts';
import { TenantId } from '../tenants.ts';
import { FileName, MediaType } from './file.ts';

const SOURCE = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/(.+)$/s;
const MAX_KEY_BYTES = 1_024;
/** Stands for the tenant's id in the folder of a rule. */
const TENANT = '{tenant}';
const EVERY_TENANT = '*';

/** An object of S3 as users name it: the key is meant as it stands, and nothing in it is decoded. */
const SourceUrl = z
  .string()
  .refine(
    isSource,
    'must be s3://bucket/key, with a key of 1 to 1,024 bytes that does not end with a slash and holds no control characters, backslashes, or parts that are . or ..',
  )
  .meta({ example: 's3://acme-inbox/2026/orders.csv' });

export const FileSource = z
  .strictObject({
    source: SourceUrl.meta({ description: 'The object, in a bucket that the setting FILE_SOURCES opens to the tenant.' }),
    name: FileName.optional().meta({ description: 'What to call the file. Default: the last part of the key.' }),
    type: MediaType.optional().meta({ description: 'What you say that it is.' }),
    ...StartFields,
  })
  .meta({ id: 'FileSource' });
export type FileSource = z.output<typeof FileSource>;

/** Whose objects may be named: by one tenant, or by each those in a folder of its own. */
export interface SourceRule {
  /** `*`: every one, and then the folder holds `{tenant}`. */
  readonly tenant: string;
  readonly location: S3Location;
}

/** Why an object can't be read as it was registered. `unavailable` passes; the others stay until somebody does something. */
export type SourceFault = 'not_allowed' | 'unreadable' | 'changed' | 'unavailable';

const FAULT_MESSAGES: Readonly<Record<SourceFault, string>> = {
  not_allowed: 'The setting FILE_SOURCES of this server does not open the place of this object to this tenant.',
  unreadable: 'The object is not there, or this server may not read it.',
  changed: 'The object is no longer the one that was registered: it was replaced or removed.',
  unavailable: 'The service that has the object can not be reached right now.',
};

/** The failure that ends work on an object which is not to be had. */
export const SOURCE_FAILURES = {
  not_allowed: 'SourceNotAllowed',
  unreadable: 'SourceUnreadable',
  changed: 'SourceChanged',
} as const satisfies Readonly<Partial<Record<SourceFault, string>>>;

/** Its message names no place, so that it may be kept and shown. */
export class SourceError extends Error {
  override readonly name = 'SourceError';
  readonly fault: SourceFault;

  constructor(fault: SourceFault, options?: ErrorOptions) {
    super(FAULT_MESSAGES[fault], options);
    this.fault = fault;
  }
}

/** Bucket and key of an object; undefined when the text names none. */
export function placeOf(source: string): { readonly bucket: string; readonly key: string } | undefined {
  const [, bucket, key] = isSource(source) ? (SOURCE.exec(source) ?? []) : [];
  return bucket === undefined || key === undefined ? undefined : { bucket, key };
}

/**
 * One entry of FILE_SOURCES: `acme=s3://bucket/folder?endpoint=…`, or `*=s3://bucket/{tenant}`.
 * @throws {Error} saying what is wrong with it
 */
export function parseSourceRule(text: string): SourceRule {
  const equals = text.indexOf('=');
  const tenant = text.slice(0, Math.max(0, equals));
  if (tenant !== EVERY_TENANT && !TenantId.safeParse(tenant).success)
    throw new Error('must begin with the id of a tenant, or *, and =, as in acme=s3://acme-inbox');
  const location = parseS3Location(text.slice(equals + 1), { placeholder: TENANT });
  if (tenant === EVERY_TENANT && !location.prefix.split('/').includes(TENANT))
    throw new Error('for * must have a folder named {tenant}, as in *=s3://inbox/{tenant}: tenants would read what is another’s');
  return { tenant, location };
}

/** Where the rule lets this tenant read; undefined: nowhere. */
export function folderFor({ tenant, location }: SourceRule, tenantId: string): S3Location | undefined {
  if (tenant !== EVERY_TENANT && tenant !== tenantId) return undefined;
  return { ...location, prefix: location.prefix.replaceAll(TENANT, tenantId) };
}

/** Whether a rule opens, for some tenant, anything of this place. */
export function overlaps({ location }: SourceRule, place: S3Location): boolean {
  if (location.bucket !== place.bucket || location.endpoint !== place.endpoint) return false;
  const [fixed = ''] = location.prefix.split(TENANT);
  return fixed.startsWith(place.prefix) || place.prefix.startsWith(fixed);
}

function isSource(text: string): boolean {
  const key = SOURCE.exec(text)?.[2];
  if (key === undefined || !key.isWellFormed() || new TextEncoder().encode(key).length > MAX_KEY_BYTES) return false;
  // oxlint-disable-next-line no-control-regex -- these are the ones that are refused
  if (/[\u0000-\u001f\u007f\\]/.test(key) || key.endsWith('/')) return false;
  // What lies between may take such parts for folders, and leave the one that is allowed.
  return !key.split('/').some((part) => part === '.' || part === '..');
}
