import { link, open, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { randomUUID } from 'node:crypto';
import type { Store } from '../../store/index.ts';

const DEFAULT_TENANT = { id: 'default', name: 'Default' };
const PLATFORM_KEY_FILE = 'platform-key';
const OWNER_ONLY = 0o600;

export interface FirstKeyRequest {
  readonly store: Store;
  /** Where the tenant's key is kept; the platform key is kept beside it. */
  readonly file: string;
  /**
   * What to do when the file is gone but a key exists: `replace` (the default) makes another one, for data that belongs to this machine
   * alone; `leave` does nothing, for a database that other servers share.
   */
  readonly whenLost?: 'replace' | 'leave';
  readonly now: Date;
}

export interface FirstKey {
  readonly file: string;
  /** `lost`: keys exist, but not in this file. `refused`: the file holds a key that does not work (any more). */
  readonly state: 'made' | 'kept' | 'lost' | 'refused';
  /** Whose work the key may do; undefined when it is not at hand. */
  readonly secret: string | undefined;
}

/**
 * Makes tenant `default` with a few products to try, its first key, and a platform key, unless they exist. The file is written before the row, and a file
 * without a row gets one at the next start: dying in between leaves a start that simply goes on.
 */
export async function ensureFirstKey(request: FirstKeyRequest): Promise<{ readonly tenant: FirstKey; readonly platform: FirstKey }> {
  const { store, now } = request;
  // Until the first key is there, the installation is new.
  if (!(await store.system.apiKeys.hasUsable('key', DEFAULT_TENANT.id))) {
    if ((await store.tenants.get(DEFAULT_TENANT.id)) === undefined)
      await store.tenants.put({ ...DEFAULT_TENANT, actor: { actor: 'system' }, now });
    await store.products.seedDemo(DEFAULT_TENANT.id, now);
  }
  const platformFile = join(dirname(request.file), PLATFORM_KEY_FILE);
  return {
    tenant: await ensureKey(request, { kind: 'key', tenantId: DEFAULT_TENANT.id, file: request.file }),
    platform: await ensureKey(request, { kind: 'platform', file: platformFile }),
  };
}

interface Wanted {
  readonly kind: 'key' | 'platform';
  readonly tenantId?: string;
  readonly file: string;
}

async function ensureKey({ store, whenLost = 'replace', now }: FirstKeyRequest, { file, ...wanted }: Wanted): Promise<FirstKey> {
  const keys = store.system.apiKeys;
  const kept = await readSecret(file);
  if (kept === undefined && whenLost === 'leave' && (await keys.hasUsable(wanted.kind, wanted.tenantId)))
    return { file, state: 'lost', secret: undefined };
  const secret = kept ?? (await writeSecret(file, keys.newSecret().secret));
  const verdict = await keys.ensure({ ...wanted, secret, name: wanted.kind === 'key' ? 'first key' : 'platform key', now });
  if (verdict.outcome !== 'valid') return { file, state: 'refused', secret: undefined };
  return { file, state: kept === undefined ? 'made' : 'kept', secret };
}

async function readSecret(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whole or not at all, on disk before it returns. When another process was faster, its secret is the answer. */
async function writeSecret(file: string, secret: string): Promise<string> {
  const temporary = `${file}.${randomUUID()}`;
  const handle = await open(temporary, 'wx', OWNER_ONLY);
  try {
    await handle.writeFile(`${secret}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    await link(temporary, file);
    await syncFolder(dirname(file));
    return secret;
  } catch (error) {
    const other = await readSecret(file);
    if (other === undefined) throw error;
    return other;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}
