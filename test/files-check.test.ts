import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { createAntivirus } from '../src/adapters/antivirus.ts';
import { createFileChecker, type FileVerdict } from '../src/adapters/file-checker.ts';
import { hostileFiles } from './support/hostile/index.ts';
import type { Judged, JudgeTask } from './support/hostile/judge.ts';
import { makeZip } from './support/hostile/zip-maker.ts';

const JUDGE = join(import.meta.dirname, 'support/hostile/judge.ts');
const MAX_PEAK_BYTES = 300 * 1024 * 1024;
const MAX_ANSWER_MS = 10_000;

interface Answers {
  readonly judged: readonly Judged[];
  readonly peakBytes: number;
}

describe('checking files', () => {
  let outside: string;
  let folder: string;
  const antivirus = createAntivirus({});
  const signal = new AbortController().signal;

  before(async () => {
    outside = await mkdtemp(join(tmpdir(), 'nightshift-check-'));
    folder = join(outside, 'files');
    await mkdir(folder);
  });
  after(() => rm(outside, { recursive: true, force: true }));

  async function stored(index: string | number, name: string, content: Buffer) {
    const path = join(folder, String(index));
    await writeFile(path, content);
    return { path, sizeBytes: content.length, sha256: '', name, declaredType: undefined };
  }

  it('answers every file of the hostile corpus, for the right reason, in time and in little memory, and writes nothing', async () => {
    const files = hostileFiles();
    assert.ok(files.length >= 250, `${files.length} files`);
    const tasks: JudgeTask[] = [];
    for (const [index, { fileName, declaredType, content }] of files.entries()) {
      const { path, sizeBytes } = await stored(index, fileName, content());
      tasks.push({ path, sizeBytes, name: fileName, ...(declaredType === undefined ? {} : { declaredType }) });
    }
    const { judged, peakBytes } = await judge(tasks);
    const byPath = new Map(judged.map((one) => [one.path, one]));
    const wrong = files.flatMap(({ what, reasons }, index) => {
      const found = byPath.get(join(folder, String(index)));
      const isRight =
        found !== undefined && (reasons.length === 0 ? found.codes.length === 0 : reasons.some((code) => found.codes.includes(code)));
      return isRight ? [] : [`${what}: ${found?.codes.join(', ') ?? 'no answer'}, not ${reasons.join(' or ') || 'accepted'}`];
    });
    assert.deepEqual(wrong, []);
    const slow = judged.filter(({ tookMs }) => tookMs > MAX_ANSWER_MS);
    assert.deepEqual(slow, []);
    assert.ok(peakBytes <= MAX_PEAK_BYTES, `${Math.round(peakBytes / 1024 / 1024)} MiB`);
    assert.deepEqual(await readdir(outside), ['files']);
    assert.equal((await readdir(folder)).length, files.length);
  });

  it('answers in time though the file keeps it busy, and goes on with the next', async () => {
    const busy = await stored('busy', 'a.zip', makeZip([{ name: 'a', data: 'x' }]));
    let cpu = 0;
    const hurried = createFileChecker({ antivirus, deadlineMs: 1, cpuMs: () => (cpu += 10) });
    const verdict = await hurried.check(busy, { signal });
    assert.deepEqual(codesOf(verdict), ['check_timed_out']);
    assert.deepEqual(codesOf(await createFileChecker({ antivirus }).check(busy, { signal })), []);
  });

  it('blames no file for a machine that had no time for it', async () => {
    const file = await stored('starved', 'a.zip', makeZip([{ name: 'a', data: 'x' }]));
    await assert.rejects(createFileChecker({ antivirus, deadlineMs: 1, cpuMs: () => 0 }).check(file, { signal }), /too busy/);
  });

  it('reads a text as far as time allows, which is no verdict, but what browsers run to its end', async () => {
    const filler = (text: string): string => text.repeat(2 * 1024 * 1024);
    const deep = await stored('deep', 'a.json', Buffer.from(`[${filler('1,')}${'['.repeat(200)}`));
    const drawn = await stored(
      'drawn',
      'a.svg',
      Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg">${filler('<g/>')}<script>1</script></svg>`),
    );
    const noTime = createFileChecker({ antivirus, limits: { minScannedBytes: 1024 * 1024, maxTextMs: 0 } });
    const patient = createFileChecker({ antivirus, limits: { minScannedBytes: 64 * 1024 * 1024, maxTextMs: 0 } });
    assert.deepEqual(codesOf(await noTime.check(deep, { signal })), []);
    assert.deepEqual(codesOf(await patient.check(deep, { signal })), ['json_too_deep']);
    assert.deepEqual(codesOf(await noTime.check(drawn, { signal })), ['svg_script']);
  });

  it('lets tables in that pack well, and no other content that does', async () => {
    const rows = Buffer.from('1,paid,EUR\n'.repeat(200_000));
    const checker = createFileChecker({ antivirus });
    for (const [name, pack] of [
      ['rows.csv.gz', gzipSync],
      ['rows.csv.zst', zstdCompressSync],
    ] as const) {
      const packed = pack(rows);
      assert.ok(packed.length * 100 < rows.length, `${packed.length} bytes`);
      assert.deepEqual(codesOf(await checker.check(await stored(name, name, packed), { signal })), []);
      const inArchive = await stored('in-archive', 'a.zip', makeZip([{ name: 'rows.csv', data: rows }]));
      assert.deepEqual(codesOf(await checker.check(inArchive, { signal })), ['archive_bomb']);
    }
    const limited = createFileChecker({ antivirus, limits: { maxInflatedBytes: 1024 * 1024 } });
    assert.deepEqual(codesOf(await limited.check(await stored('large', 'a.csv.gz', gzipSync(rows)), { signal })), ['archive_bomb']);
  });

  it('stops when it is asked to, before and while it looks', async () => {
    const file = await stored('stopped', 'a.txt', Buffer.from('hello'));
    const checker = createFileChecker({ antivirus });
    await assert.rejects(checker.check(file, { signal: AbortSignal.abort(new Error('stop')) }), /stop/);
    const stop = new AbortController();
    const checking = checker.check(file, { signal: stop.signal });
    stop.abort(new Error('stop'));
    await assert.rejects(checking, /stop/);
  });

  it('calls a file that can not be read no fault of the file', async () => {
    const gone = { path: join(folder, 'gone'), sizeBytes: 10, sha256: '', name: 'a.txt', declaredType: undefined };
    await assert.rejects(createFileChecker({ antivirus }).check(gone, { signal }), /could not be read/);
  });

  it('tells the type by the content, and says honestly that nobody looked for viruses', async () => {
    const checker = createFileChecker({ antivirus });
    const found = async (name: string, content: Buffer): Promise<FileVerdict> =>
      checker.check(await stored(name, name, content), { signal });
    assert.equal((await found('a.csv', Buffer.from('a,b\n1,2\n'))).mediaType, 'text/csv');
    assert.equal((await found('a.zip', makeZip([{ name: 'a', data: 'x' }]))).mediaType, 'application/zip');
    assert.equal((await found('a.unknown', Buffer.from([0, 1, 2, 3]))).mediaType, 'application/octet-stream');
    const verdict = await found('README', Buffer.from('hello'));
    assert.deepEqual(verdict, {
      mediaType: 'text/plain',
      reasons: [],
      checks: { antivirus: { state: 'no_signature_database', engine: 'signature list' } },
    });
  });
});

function codesOf({ reasons }: FileVerdict): readonly string[] {
  return reasons.map(({ code }) => code);
}

/** In a process that may read everything and write nowhere. */
async function judge(tasks: readonly JudgeTask[]): Promise<Answers> {
  const flags = ['--permission', '--allow-fs-read=*', '--allow-worker', '--disable-warning=SecurityWarning'];
  const child = spawn(process.execPath, [...flags, JUDGE], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(tasks));
  const output = Buffer.concat(await child.stdout.toArray()).toString();
  return JSON.parse(output) as Answers; // written by judge.ts
}
