import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';

import { createStorage } from '../../src/adapters/storage.ts';
import { loadConfig } from '../../src/config.ts';
import { pieces, testStorage } from './storage.suite.ts';
import type { StorageTarget } from './storage.suite.ts';

interface FolderTarget extends StorageTarget {
  /** Holds the folder of the storage, and nothing else. */
  readonly outside: string;
  readonly folder: string;
}

async function startFolder(): Promise<FolderTarget> {
  const outside = await mkdtemp(join(tmpdir(), 'nightshift-storage-'));
  const folder = join(outside, 'files');
  return {
    outside,
    folder,
    url: pathToFileURL(folder).href,
    countTemporary: async () => (await readdir(join(folder, '.temporary'))).length,
    [Symbol.asyncDispose]: () => rm(outside, { recursive: true, force: true }),
  };
}

testStorage('file', startFolder);

describe('storage: file, beyond the port', () => {
  it('has an object as a file of that name, which only we may read', async () => {
    await using target = await startFolder();
    await createStorage(target.url).put('a/b.txt', pieces('hello'));
    assert.equal(await readFile(join(target.folder, 'a/b.txt'), 'utf8'), 'hello');
    assert.equal((await stat(join(target.folder, 'a/b.txt'))).mode & 0o077, 0);
    assert.equal((await stat(join(target.folder, 'a'))).mode & 0o077, 0);
    assert.deepEqual(await readdir(target.outside), ['files']);
  });

  it('takes a file in that lies on another disk, and one of its own by moving it', async () => {
    await using target = await startFolder();
    const storage = createStorage(target.url);
    // In memory on every Linux.
    const elsewhere = await mkdtemp('/dev/shm/nightshift-storage-');
    try {
      assert.notEqual((await stat(elsewhere)).dev, (await stat(target.outside)).dev);
      for (const folder of [elsewhere, target.outside]) {
        const path = join(folder, 'made');
        await writeFile(path, 'hello');
        const { ino } = await stat(path);
        await storage.putFile('a/b', path);
        const put = await stat(join(target.folder, 'a/b'));
        assert.deepEqual([put.ino === ino, put.mode & 0o077, put.size], [folder === target.outside, 0, 5]);
        await assert.rejects(stat(path), { code: 'ENOENT' });
      }
      assert.equal(await target.countTemporary(), 0);
    } finally {
      await rm(elsewhere, { recursive: true, force: true });
    }
  });

  it('removes folders that have become empty', async () => {
    await using target = await startFolder();
    const storage = createStorage(target.url);
    await storage.put('a/b/c/d', pieces('x'));
    await storage.put('a/e', pieces('x'));
    await storage.delete('a/b/c/d');
    assert.deepEqual(await readdir(join(target.folder, 'a')), ['e']);
  });

  it('refuses an object where a folder is, and a folder where an object is', async () => {
    await using target = await startFolder();
    const storage = createStorage(target.url);
    await storage.put('a/b', pieces('x'));
    await assert.rejects(storage.put('a', pieces('x')), { name: 'StorageNameError' });
    await assert.rejects(storage.put('a/b/c', pieces('x')), { name: 'StorageNameError' });
    assert.equal(await target.countTemporary(), 0);
    assert.deepEqual(
      (await storage.list()).objects.map(({ name }) => name),
      ['a/b'],
    );
  });

  it('does not follow symbolic links that somebody put into its folder', async () => {
    await using target = await startFolder();
    const storage = createStorage(target.url);
    await storage.put('fine', pieces('x'));
    await mkdir(join(target.outside, 'other'));
    await writeFile(join(target.outside, 'other/secret'), 'secret');
    await symlink(join(target.outside, 'other'), join(target.folder, 'link'));
    await symlink(join(target.outside, 'other/secret'), join(target.folder, 'file'));
    const refused = { name: 'StorageNameError' };
    for (const name of ['link/secret', 'file']) {
      await assert.rejects(storage.get(name), refused);
      await assert.rejects(storage.stat(name), refused);
      await assert.rejects(storage.delete(name), refused);
    }
    await assert.rejects(storage.put('link/new', pieces('x')), refused);
    await assert.rejects(storage.put('link/deep/new', pieces('x')), refused);
    for (const prefix of ['', 'link', 'link/']) {
      const names = (await storage.list({ prefix })).objects.map(({ name }) => name);
      assert.deepEqual(names, prefix === '' ? ['fine'] : []);
    }
    // Putting takes the place of the link, not of what it leads to.
    await storage.put('file', pieces('new'));
    assert.equal(await readFile(join(target.outside, 'other/secret'), 'utf8'), 'secret');
    assert.deepEqual(await readdir(join(target.outside, 'other')), ['secret']);
  });

  it('lists nothing that is not ours', async () => {
    await using target = await startFolder();
    const storage = createStorage(target.url);
    await storage.put('a', pieces('x'));
    await writeFile(join(target.folder, 'READ ME.txt'), '');
    await writeFile(join(target.folder, '.nfs0001'), '');
    assert.deepEqual(
      (await storage.list()).objects.map(({ name }) => name),
      ['a'],
    );
  });

  it('is behind a link when its folder is one', async () => {
    await using target = await startFolder();
    await mkdir(join(target.outside, 'volume'));
    await symlink(join(target.outside, 'volume'), target.folder);
    const storage = createStorage(target.url);
    await storage.put('a/b', pieces('x'));
    assert.equal((await storage.stat('a/b'))?.sizeBytes, 1);
    assert.equal((await storage.list({ prefix: 'a/' })).objects.length, 1);
  });
});

describe('storage: its URL', () => {
  it('chooses the driver, or says clearly what is wrong', () => {
    createStorage('file:///var/lib/nightshift/files');
    createStorage('file:./files');
    createStorage('s3://bucket');
    for (const url of [
      '',
      'files',
      '/files',
      'https://bucket',
      'file',
      'file:',
      'file:/',
      'file:///',
      'file://host/x',
      'file:..%2F..%2F%ZZ',
    ]) {
      assert.throws(() => createStorage(url), /^Error: STORAGE_URL: /, url);
    }
  });

  it('is a folder of the data folder when it is unset', () => {
    const DATABASE_URL = 'postgres://db/nightshift';
    const SMTP_URL = 'smtp://mail.internal';
    assert.equal(loadConfig({ DATABASE_URL, SMTP_URL, DATA_DIR: '/srv/my data' }).storageUrl, 'file:///srv/my%20data/files');
    assert.equal(loadConfig({ DATABASE_URL, SMTP_URL, STORAGE_URL: 'file:./x' }).storageUrl, 'file:./x');
    assert.throws(() => loadConfig({ DATABASE_URL, SMTP_URL, STORAGE_URL: 'ftp://x' }), /STORAGE_URL/);
  });
});
