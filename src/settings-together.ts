import { overlaps } from './contracts/files/source.ts';
import { parseS3Location } from './contracts/s3-location.ts';
import { notesOf, type Settings } from './settings.ts';

/** What is wrong with settings that are right one by one. */
export function problemsTogether(set: Settings): readonly string[] {
  return [...paymentProblems(set), ...sourceProblems(set)];
}

/** An account needs all of its settings, of one mode. */
function paymentProblems(set: Settings): readonly string[] {
  const { STRIPE_API_KEY: secretKey, STRIPE_PUBLISHABLE_KEY: publishableKey } = set;
  if (secretKey === undefined) return [];
  const mode = secretKey.includes('_live_') ? 'live' : 'test';
  // With Stripe itself our own `/shop` is closed, so nobody can be led there.
  const pages = set.STRIPE_URL === undefined ? (['PAYMENT_RETURN_URL', 'CART_RECOVERY_URL'] as const) : [];
  const lacks = (['STRIPE_PUBLISHABLE_KEY', 'STRIPE_WEBHOOK_SECRETS', ...pages] as const).filter((name) => set[name] === undefined);
  const isOtherMode = publishableKey !== undefined && !publishableKey.startsWith(`pk_${mode}_`);
  return [
    ...lacks.map((name) => `${name} is not set, which STRIPE_API_KEY needs (${notesOf(name).description})`),
    ...(isOtherMode
      ? [`STRIPE_PUBLISHABLE_KEY: ${JSON.stringify(publishableKey)} must begin with pk_${mode}_, as STRIPE_API_KEY is a ${mode} key`]
      : []),
    ...(mode === 'live' && set.ALLOW_LIVE_PAYMENTS !== true
      ? ['STRIPE_API_KEY: its value is a live key, which takes real money. Use a test key, or set ALLOW_LIVE_PAYMENTS=1']
      : []),
    ...(mode === 'live' && set.STRIPE_URL !== undefined ? ['STRIPE_URL: must not be set together with a live key'] : []),
  ];
}

/** What the product keeps must not be named by anybody: not even the files of the same tenant, which have their own ways in and out. */
function sourceProblems({ STORAGE_URL: storageUrl, FILE_SOURCES: sources = [] }: Settings): readonly string[] {
  if (storageUrl?.startsWith('s3:') !== true || sources.length === 0) return [];
  let storage;
  try {
    storage = parseS3Location(storageUrl);
  } catch {
    // Told of by whoever opens it.
    return [];
  }
  const isOpen = sources.some((rule) => overlaps(rule, storage));
  return isOpen ? ['FILE_SOURCES: opens what STORAGE_URL keeps; give the storage a bucket or a folder of its own'] : [];
}
