import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { newWorkPath, openWorkFolder } from '../../src/adapters/work-folder.ts';

const MODULE = new URL('../../src/adapters/work-folder.ts', import.meta.url).href;
const ANYBODY = '00000000-0000-4000-8000-000000000000';

describe('the folder for work', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nightshift-work-'));
  });
  beforeEach(async () => {
    for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true });
  });
  after(() => rm(folder, { recursive: true }));

  const own = (): readonly string[] => basename(newWorkPath(folder)).split('_');

  async function left(...names: readonly string[]): Promise<readonly string[]> {
    for (const name of names) await mkdir(join(folder, name));
    await openWorkFolder(folder);
    return readdir(folder);
  }

  it('keeps what a process needs that is alive, and loses it when the process was killed', async () => {
    const script = `const { newWorkPath } = await import(${JSON.stringify(MODULE)}); console.log(newWorkPath(${JSON.stringify(folder)})); setInterval(() => 0, 1000);`;
    const other = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(other.stdout, 'data')) as [Buffer]; // what it prints
    const theirs = basename(line.toString().trim());
    const ours = basename(newWorkPath(folder));
    assert.deepEqual(await left(theirs, ours), [theirs, ours].toSorted());
    const exit = once(other, 'exit');
    other.kill('SIGKILL');
    await exit;
    assert.deepEqual(await left(), [ours]);
  });

  it('knows a dead process whose id a living one has, as in a container that was started again', async () => {
    const [host, pid, startedAt] = own();
    assert.deepEqual(await left(`${host}_${pid}_${Number(startedAt) - 1}_${ANYBODY}`), []);
  });

  it('leaves alone what a process elsewhere needs, whose id nobody has here, until it is old', async () => {
    const theirs = `elsewhere_4194303_1_${ANYBODY}`;
    assert.deepEqual(await left(theirs), [theirs]);
    const old = new Date(Date.now() - 8 * 86_400_000);
    await utimes(join(folder, theirs), old, old);
    assert.deepEqual(await left(), []);
  });

  it('touches nothing that is not ours', async () => {
    assert.deepEqual(await left('notes', `1_${ANYBODY}`), [`1_${ANYBODY}`, 'notes'].toSorted());
  });
});
