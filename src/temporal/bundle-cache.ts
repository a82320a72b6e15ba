import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { bundleWorkflows } from './worker.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
const CACHE = join(ROOT, '.cache', 'workflows');
/** What the bundle is made of. */
const SOURCES = ['src/workflows', 'src/contracts/pure'];

/**
 * Path of the workflow bundle for exactly these sources, made when it is not there yet (some seconds). All processes of one version
 * share the file.
 */
export async function workflowBundlePath(): Promise<string> {
  const path = join(CACHE, `${await hashSources()}.js`);
  const found = await readFile(path).then(
    () => true,
    () => false,
  );
  if (found) return path;
  const code = await bundleWorkflows();
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, code);
  await rename(temporary, path);
  return path;
}

async function hashSources(): Promise<string> {
  const hash = createHash('sha256').update(await readFile(join(ROOT, 'package-lock.json')));
  for (const folder of SOURCES) {
    const entries = await readdir(join(ROOT, folder), { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    for (const file of files.toSorted()) hash.update(file.slice(ROOT.length)).update(await readFile(file));
  }
  return hash.digest('hex').slice(0, 32);
}
