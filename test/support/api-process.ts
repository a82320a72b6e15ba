// An API process of its own, for tests that stop one: node test/support/api-process.ts DATABASE_URL STORAGE_URL
// The line that it prints is its address. It ends when its input does.
import { createStorage } from '../../src/adapters/storage.ts';
import { startApi } from '../api/fixture.ts';

const [databaseUrl = '', storageUrl = ''] = process.argv.slice(2);
const files = { maxBytes: 1024 ** 3, quotaBytes: 4 * 1024 ** 3, uploadExpiryMs: 3_600_000 };
const api = await startApi({ storage: createStorage(storageUrl), files }, { databaseUrl, ownerUrl: '' });
console.log(api.url);
process.stdin.resume().once('end', () => process.exit());
