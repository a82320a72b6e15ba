import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';

import { createStorage } from '../../src/adapters/storage.ts';
import type { Storage } from '../../src/adapters/storage.ts';

/** A place for objects that is empty, of a driver under test. */
export interface StorageTarget extends AsyncDisposable {
  readonly url: string;
  /** How many temporary objects there are, whoever left them. */
  readonly countTemporary: () => Promise<number>;
}

type Start = () => Promise<StorageTarget>;

const ADAPTER = join(import.meta.dirname, '../../src/adapters/storage.ts');
const LARGE_BYTES = 256 * 1024 * 1024;
/** So much that every driver has begun to store it. */
const BEGUN_BYTES = 20 * 1024 * 1024;
/** What a process may grow by while {@link LARGE_BYTES} pass: buffers of streams, and garbage of them. */
const FLAT_BYTES = 96 * 1024 * 1024;

/** What every storage does, wherever its bytes are. */
export function testStorage(driver: string, start: Start): void {
  describe(`storage: ${driver}`, () => {
    describeObjects(start);
    describePuts(start);
    describeLists(start);
    describeNames(start);
    describeProcesses(start);
  });
}

/** Content as a stream, in pieces. */
export function pieces(...parts: readonly (string | Uint8Array)[]): Readable {
  return Readable.from(parts.map((part) => Buffer.from(part)));
}

async function textOf(storage: Storage, name: string, range?: Parameters<Storage['get']>[1]): Promise<string | undefined> {
  const found = await storage.get(name, range);
  return found && Buffer.concat(await found.body.toArray()).toString();
}

function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

function describeObjects(start: Start): void {
  it('gives back what was put, and says what it was', async () => {
    await using target = await start();
    const storage = createStorage(target.url);
    const content = randomBytes(300_000);
    assert.deepEqual(await storage.put('a/b/c.bin', pieces(content.subarray(0, 7), content.subarray(7))), {
      sizeBytes: content.byteLength,
      sha256: sha256(content),
    });
    const found = (await storage.get('a/b/c.bin')) ?? assert.fail('it is not there');
    assert.equal(found.sizeBytes, content.byteLength);
    assert.ok(Buffer.concat(await found.body.toArray()).equals(content));
    const { modifiedAt, ...facts } = (await storage.stat('a/b/c.bin')) ?? assert.fail('it is not there');
    assert.deepEqual(facts, { name: 'a/b/c.bin', sizeBytes: content.byteLength });
    assert.ok(Math.abs(Date.now() - Date.parse(modifiedAt)) < 60_000);
    assert.equal(await target.countTemporary(), 0);
  });

  it('takes content whose memory is used again as soon as the next piece is asked for', async () => {
    await using target = await start();
    const storage = createStorage(target.url);
    const memory = Buffer.alloc(300_000);
    async function* content(): AsyncGenerator<Uint8Array> {
      for (const letter of 'abcdefghijklmnopqrstuvwxyzabcdefgh') yield memory.fill(letter);
      memory.fill('!');
    }
    const { sizeBytes } = await storage.put('a', content());
    const stored = (await textOf(storage, 'a')) ?? assert.fail('it is not there');
    assert.equal(sizeBytes, stored.length);
    assert.equal(stored.replaceAll(/(.)\1*/g, '$1'), 'abcdefghijklmnopqrstuvwxyzabcdefgh');
  });

  it('takes a file of this machine in, in the place of what was there, and leaves it when it can not', async () => {
    await using target = await start();
    const folder = await mkdtemp(join(tmpdir(), 'nightshift-put-file-'));
    try {
      const storage = createStorage(target.url);
      const path = join(folder, 'made');
      for (const content of [randomBytes(300_000), Buffer.alloc(0)]) {
        await storage.put('a/b', pieces('before'));
        await writeFile(path, content);
        assert.deepEqual(await storage.putFile('a/b', path), { sizeBytes: content.length });
        const found = (await storage.get('a/b')) ?? assert.fail('it is not there');
        assert.deepEqual(Buffer.concat(await found.body.toArray()), content);
        assert.deepEqual(await readdir(folder), []);
      }
      await assert.rejects(storage.putFile('a/b', path), { code: 'ENOENT' });
      await writeFile(path, 'kept');
      await assert.rejects(storage.putFile('../a', path), { name: 'StorageNameError' });
      await assert.rejects(storage.putFile('a/b', path, { signal: AbortSignal.abort() }), { name: 'AbortError' });
      assert.equal(await readFile(path, 'utf8'), 'kept');
      assert.equal((await storage.stat('a/b'))?.sizeBytes, 0);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('stores what is empty', async () => {
    await using target = await start();
    const storage = createStorage(target.url);
    assert.deepEqual(await storage.put('empty', pieces()), { sizeBytes: 0, sha256: sha256('') });
    assert.equal(await textOf(storage, 'empty'), '');
    await assert.rejects(storage.get('empty', { firstByte: 0 }), { name: 'StorageRangeError', sizeBytes: 0 });
  });

  it('says that what is not there is not there', async () => {
    await using target = await start();
    const storage = createStorage(target.url);
    await storage.put('a/b', pieces('x'));
    for (const name of ['none', 'a/none', 'none/a', 'a', 'a/b/c']) {
      assert.deepEqual([await storage.get(name), await storage.stat(name)], [undefined, undefined], name);
      assert.equal(await storage.copy(name, 'copy'), undefined, name);
      await storage.delete(name);
    }
    assert.equal(await textOf(storage, 'a/b'), 'x');
    assert.equal(await storage.stat('copy'), undefined);
  });

  it('gives ranges, the last byte included', async () => {
    await using target = await start();
    const storage = createStorage(target.url);
    await storage.put('digits', pieces('0123456789'));
    assert.equal(await textOf(storage, 'digits', { firstByte: 0, lastByte: 0 }), '0');
    assert.equal(await textOf(storage, 'digits', { firstByte: 3, lastByte: 5 }), '345');
    assert.equal(await textOf(storage, 'digits', { firstByte: 7 }), '789');
    assert.equal(await textOf(storage, 'digits', { firstByte: 9, lastByte: 99 }), '9');
    const opened = await storage.get('digits', { firstByte: 9 });
    assert.equal(opened?.sizeBytes, 10);
    opened?.body.destroy();
    for (const range of [{ firstByte: 10 }, { firstByte: -1 }, { firstByte: 5, lastByte: 4 }, { firstByte: 0.5 }, { firstByte: NaN }]) {
      await assert.rejects(storage.get('digits', range), { name: 'StorageRangeError', sizeBytes: 10 });
    }
  });

  it('deletes once and for all, and makes room for other names', async () => {
    await using target = await start();
    const storage = createStorage(target.url);
    await storage.put('a/b/c', pieces('x'));
    await storage.put('a/d', pieces('y'));
    await storage.delete('a/b/c');
    await storage.delete('a/b/c');
    assert.equal(await storage.stat('a/b/c'), undefined);
    assert.equal(await textOf(storage, 'a/d'), 'y');
    await storage.put('a/b', pieces('z'));
    assert.equal(await textOf(storage, 'a/b'), 'z');
  });

  it('goes on reading what was opened, though it is replaced or deleted meanwhile', async () => {
    await using target = await start();
    const storage = createStorage(target.url);
    const old = randomBytes(1_000_000);
    await storage.put('a', pieces(old));
    const opened = [await storage.get('a'), await storage.get('a')];
    await storage.put('a', pieces('new'));
    await storage.delete('a');
    for (const one of opened) assert.ok(Buffer.concat((await one?.body.toArray()) ?? []).equals(old));
  });

  it('copies, also onto itself', async () => {
    await using target = await start();
    const storage = createStorage(target.url);
    await storage.put('a', pieces('x'));
    const expected = { sizeBytes: 1, sha256: sha256('x') };
    assert.deepEqual([await storage.copy('a', 'b/c'), await storage.copy('a', 'a')], [expected, expected]);
    assert.deepEqual([await textOf(storage, 'a'), await textOf(storage, 'b/c')], ['x', 'x']);
  });
}

function describePuts(start: Start): void {
  it('never shows a torn object: of many puts of one name the last to end wins', async () => {
    await using target = await start();
    const storage = createStorage(target.url);
    const contents = Array.from({ length: 12 }, () => randomBytes(400_000));
    const hashes = contents.map((content) => sha256(content));
    const ended: string[] = [];
    const over = new AbortController();
    const look = async (): Promise<void> => {
      while (!over.signal.aborted) {
        const found = await storage.get('contested/name');
        if (found === undefined) continue;
        assert.ok(hashes.includes(sha256(Buffer.concat(await found.body.toArray()))));
      }
    };
    const puts = contents.map(async (content, index) => {
      const parts = Array.from({ length: 40 }, (_, part) => content.subarray(part * 10_000, (part + 1) * 10_000));
      await storage.put('contested/name', pieces(...parts));
      ended.push(hashes[index] ?? '');
    });
    const looks = [look(), look()];
    await Promise.all(puts);
    over.abort();
    await Promise.all(looks);
    const found = await storage.get('contested/name');
    assert.ok(hashes.includes(sha256(Buffer.concat((await found?.body.toArray()) ?? []))));
    await storage.put('contested/name', pieces('last'));
    assert.equal(await textOf(storage, 'contested/name'), 'last');
    assert.equal(ended.length, 12);
    assert.equal(await target.countTemporary(), 0);
  });

  it('puts and deletes side by side in one folder', async () => {
    await using target = await start();
    const storage = createStorage(target.url);
    const busy = Array.from({ length: 8 }, async (_, worker) => {
      for (let round = 0; round < 15; round += 1) {
        await storage.put(`shared/folder/${worker}`, pieces('x'));
        await storage.delete(`shared/folder/${worker}`);
      }
      await storage.put(`shared/folder/${worker}`, pieces('x'));
    });
    await Promise.all(busy);
    assert.equal((await storage.list({ prefix: 'shared/' })).objects.length, 8);
  });

  const failures: readonly (readonly [what: string, content: () => Readable, error: RegExp])[] = [
    ['content fails half-way', () => Readable.from(failing()), /broken/],
    ['content fails before it is read', () => new Readable({ read() {} }).destroy(new Error('broken')), /broken/],
  ];
  for (const [what, content, error] of failures) {
    it(`leaves the old object, and nothing else, when ${what}`, async () => {
      await using target = await start();
      const storage = createStorage(target.url);
      await storage.put('kept', pieces('old'));
      await assert.rejects(storage.put('kept', content()), error);
      await assert.rejects(storage.put('new', content()), error);
      assert.deepEqual([await textOf(storage, 'kept'), await textOf(storage, 'new')], ['old', undefined]);
      assert.deepEqual(
        (await storage.list()).objects.map(({ name }) => name),
        ['kept'],
      );
      assert.equal(await target.countTemporary(), 0);
    });
  }

  it('leaves the old object when it is aborted, early or in the middle, and lets go of its content', async () => {
    await using target = await start();
    const storage = createStorage(target.url);
    await storage.put('kept', pieces('old'));
    await assert.rejects(storage.put('kept', pieces('x'), { signal: AbortSignal.abort() }), { name: 'AbortError' });
    const stop = new AbortController();
    const content = new Readable({
      read() {
        this.push(Buffer.alloc(1000));
        setImmediate(() => stop.abort());
      },
    });
    await assert.rejects(storage.put('kept', content, { signal: stop.signal }), { name: 'AbortError' });
    assert.ok(content.destroyed);
    assert.equal(await textOf(storage, 'kept'), 'old');
    assert.equal(await target.countTemporary(), 0);
  });

  async function* failing(): AsyncGenerator<Buffer> {
    yield Buffer.from('half');
    throw new Error('broken');
  }
}

function describeLists(start: Start): void {
  const NAMES = ['a', 'a-b/c', 'a.b', 'b/1', 'b/10', 'b/2/x', 'b/2/y', 'b/2-', 'b/20', 'ba', 'c/d/e/f', 'c0'].toSorted();

  it('lists by name, under any prefix, in pages of any size', async () => {
    await using target = await start();
    const storage = createStorage(target.url);
    for (const name of NAMES) await storage.put(name, pieces(name));
    for (const prefix of ['', 'a', 'a-', 'b', 'b/', 'b/2', 'b/2/', 'c/d/e', 'c/d/e/f', 'none', 'none/', 'b/2/x']) {
      const wanted = NAMES.filter((name) => name.startsWith(prefix));
      for (const limit of [1, 2, 5, 1000]) {
        const found: string[] = [];
        let after: string | undefined;
        do {
          const page = await storage.list({ prefix, limit, ...(after === undefined ? {} : { after }) });
          assert.ok(page.objects.length <= limit);
          found.push(...page.objects.map(({ name }) => name));
          after = page.next;
        } while (after !== undefined);
        assert.deepEqual(found, wanted, `prefix ${prefix}, limit ${limit}`);
      }
    }
    const [first] = (await storage.list({ after: 'b/1z', limit: 1 })).objects;
    assert.deepEqual([first?.name, first?.sizeBytes], ['b/2-', 4]);
    assert.deepEqual((await storage.list({ limit: -5 })).objects.length, 1);
  });

  it('is empty at first', async () => {
    await using target = await start();
    const storage = createStorage(target.url);
    assert.deepEqual(await storage.list(), { objects: [], next: undefined });
    assert.equal(await storage.sweepTemporary(0), 0);
  });
}

function describeNames(start: Start): void {
  const hostile = [
    '',
    '.',
    '..',
    '/',
    '/etc/passwd',
    '../escape',
    '../../etc/passwd',
    'a/../../escape',
    'a/..',
    'a..b',
    './a',
    'a/./b',
    'a//b',
    'a/',
    '.hidden',
    'a/.hidden',
    '.temporary/x',
    '-a',
    '_a',
    'A',
    'a b',
    'a\\b',
    '..\\escape',
    'a\0b',
    'a\nb',
    'a\n',
    'ä',
    'a%2e%2e',
    'a:b',
    'c:/x',
    'a*',
    'a?x=1',
    'a#b',
    '~a',
    'a'.repeat(201),
    'a/'.repeat(500) + 'a',
    '\u202Ea',
    'a\u2024\u2024/b',
  ];

  it('takes no name but those made by us', async () => {
    await using target = await start();
    const storage = createStorage(target.url);
    await storage.put('a', pieces('x'));
    for (const name of hostile) {
      const refused = { name: 'StorageNameError' };
      await assert.rejects(storage.put(name, pieces('x')), refused, JSON.stringify(name));
      await assert.rejects(storage.get(name), refused, JSON.stringify(name));
      await assert.rejects(storage.stat(name), refused, JSON.stringify(name));
      await assert.rejects(storage.delete(name), refused, JSON.stringify(name));
      await assert.rejects(storage.copy(name, 'b'), refused, JSON.stringify(name));
      await assert.rejects(storage.copy('a', name), refused, JSON.stringify(name));
      await assert.rejects(storage.list({ after: name }), refused, JSON.stringify(name));
      if (name !== '' && name !== 'a/') await assert.rejects(storage.list({ prefix: name }), refused, JSON.stringify(name));
    }
    assert.deepEqual(
      (await storage.list()).objects.map(({ name }) => name),
      ['a'],
    );
    assert.equal(await target.countTemporary(), 0);
  });

  it('takes long names, and all letters that there are', async () => {
    await using target = await start();
    const storage = createStorage(target.url);
    for (const name of ['a', '0', 'a/_b', 'a/-b', 'tenant-1/0192f0c4-6b1e-7c3a/original.tar.gz', `${'a'.repeat(200)}/${'b'.repeat(200)}`]) {
      if (name === 'a') continue;
      await storage.put(name, pieces('x'));
      assert.equal(await textOf(storage, name), 'x');
    }
  });
}

function describeProcesses(start: Start): void {
  it('keeps the old object when the process is killed in the middle of a put, and sweeps what is left', async () => {
    await using target = await start();
    const storage = createStorage(target.url);
    await storage.put('kept', pieces('old'));
    const child = spawn(process.execPath, [
      '--input-type=module',
      '-e',
      `import { createStorage } from ${JSON.stringify(ADAPTER)};
      async function* content() {
        for (let part = 0; part < ${BEGUN_BYTES / 65_536}; part += 1) yield Buffer.alloc(65_536);
        process.stdout.write('half');
        // Kept alive by the open pipe.
        await new Promise((resolve) => process.stdin.on('data', resolve));
      }
      await createStorage(${JSON.stringify(target.url)}).put('kept', content());`,
    ]);
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal(await textOf(storage, 'kept'), 'old');
    assert.deepEqual(
      (await storage.list()).objects.map(({ name }) => name),
      ['kept'],
    );
    assert.equal(await target.countTemporary(), 1);
    assert.equal(await storage.sweepTemporary(3_600_000), 0, 'too young');
    assert.equal(await target.countTemporary(), 1);
    assert.equal(await storage.sweepTemporary(0), 1);
    assert.equal(await target.countTemporary(), 0);
    assert.equal(await textOf(storage, 'kept'), 'old');
  });

  it('a put that was swept away fails, and leaves the old object', async () => {
    await using target = await start();
    const storage = createStorage(target.url);
    await storage.put('kept', pieces('old'));
    async function* content(): AsyncGenerator<Buffer> {
      yield Buffer.alloc(BEGUN_BYTES);
      while ((await target.countTemporary()) > 0) await storage.sweepTemporary(0);
    }
    await assert.rejects(storage.put('kept', content()));
    assert.equal(await textOf(storage, 'kept'), 'old');
  });

  it('takes no memory by the size of an object', async () => {
    await using target = await start();
    const script = `
      import { createStorage } from ${JSON.stringify(ADAPTER)};
      import { Writable } from 'node:stream';
      import { pipeline } from 'node:stream/promises';
      const storage = createStorage(${JSON.stringify(target.url)});
      const piece = Buffer.alloc(65_536, 'x');
      async function* content(sizeBytes) { for (let sent = 0; sent < sizeBytes; sent += piece.length) yield piece; }
      let read = 0;
      const sink = () => new Writable({ write(chunk, encoding, done) { read += chunk.length; done(); } });
      // A quarter of it first, so that what grows afterwards grows by size and not by being used at all.
      await storage.put('warm', content(${LARGE_BYTES / 4}));
      await pipeline((await storage.get('warm')).body, sink());
      await storage.copy('warm', 'warm-copy');
      read = 0;
      const before = process.resourceUsage().maxRSS;
      const { sizeBytes } = await storage.put('large', content(${LARGE_BYTES}));
      await pipeline((await storage.get('large')).body, sink());
      await storage.copy('large', 'copy');
      const grownBytes = (process.resourceUsage().maxRSS - before) * 1024;
      process.stdout.write(JSON.stringify({ sizeBytes, read, grownBytes }));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
    const { grownBytes, ...moved } = JSON.parse(stdout) as { grownBytes: number; sizeBytes: number; read: number }; // written above
    assert.deepEqual(moved, { sizeBytes: LARGE_BYTES, read: LARGE_BYTES });
    assert.ok(grownBytes < FLAT_BYTES, `grew by ${Math.round(grownBytes / 1024 / 1024)} MiB`);
  });
}
