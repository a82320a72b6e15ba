import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What one needs to use a simulated account; of the same form as Stripe's, and worth nothing there. */
export interface AccountKeys {
  readonly secret: string;
  readonly publishable: string;
  readonly webhookSecret: string;
}

/** The keys of the account in this folder; made when there are none, and kept, since keys are in links and settings. */
export function readKeys(folder: string): AccountKeys {
  const file = join(folder, 'keys.json');
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as AccountKeys; // written below
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  const random = () => randomBytes(18).toString('hex');
  const keys = { secret: `sk_test_twin${random()}`, publishable: `pk_test_twin${random()}`, webhookSecret: `whsec_twin${random()}` };
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(`${file}.new`, `${JSON.stringify(keys)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return keys;
}
