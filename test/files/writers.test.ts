// Who may write, and what becomes of bytes when a writer dies or is only stopped.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import pg from 'pg';
import { KINDS } from '../../src/contracts/kinds.ts';
import type { UploadRow } from '../../src/store/files/records.ts';
import { assertProblem } from '../api/fixture.ts';
import { holds, sha256, textOf, useFileWorld } from './world.ts';

const LEASE_MS = 60_000;
const API_PROCESS = fileURLToPath(new URL('../support/api-process.ts', import.meta.url));
const world = useFileWorld();

const idOf = (path: string): string => path.split('/').at(-1) ?? '';
const at = (offset: number): Record<string, string> => ({ 'Upload-Offset': String(offset) });
const uploads = () => world.core().deps.store.files.uploads;
const partials = () => world.core().deps.storage.partials;

async function lockAt(id: string, offsetBytes: number): Promise<{ readonly lock: string; readonly upload: UploadRow }> {
  const request = { tenantId: world.tenantId(), id, offsetBytes, lengthBytes: undefined, leaseMs: LEASE_MS, quotaBytes: 10 ** 12 };
  const taken = await uploads().lock(request);
  assert.ok(taken.outcome === 'locked', taken.outcome);
  return taken;
}

/** As a writer in another process would: opens its own file of the upload. */
async function writerOf({ upload }: { readonly upload: UploadRow }) {
  const segment = upload.segments.at(-1);
  assert.ok(segment !== undefined);
  return partials().open(upload.id, segment);
}

function commit(id: string, { lock }: { readonly lock: string }, offsetBytes: number) {
  const expiresAt = new Date(Date.now() + 3_600_000);
  return uploads().commit({ tenantId: world.tenantId(), id, lock, offsetBytes, expiresAt, leaseMs: LEASE_MS, quotaBytes: 10 ** 12 });
}

/** Its process is taken for dead: the time of its lock is up. */
async function letExpire(id: string): Promise<void> {
  await world.api().sql(world.tenantId(), `update upload set lock_until = now() - interval '1 second' where id = $1`, [id]);
}

describe('two writers of one upload', () => {
  it('at the same moment: one wins, the other is told, and nothing is mixed', async () => {
    const [left, right] = [Buffer.alloc(200_000, 'l'), Buffer.alloc(200_000, 'r')];
    for (let round = 0; round < 5; round += 1) {
      const path = await world.begin(left.length);
      const answers = await Promise.all([left, right].map((body) => world.tus('PATCH', path, { headers: at(0), body })));
      const statuses = answers.map(({ status }) => status).toSorted();
      assert.ok(statuses[0] === 204 && (statuses[1] === 423 || statuses[1] === 409), String(statuses));
      const file = await world.reaches(idOf(path), 'ready');
      const winner = answers[0]?.status === 204 ? left : right;
      assert.equal(file.sha256, sha256(winner));
    }
  });

  it('over all processes: who holds the lock is the only one', async () => {
    const path = await world.begin(10);
    await lockAt(idOf(path), 0);
    const answer = await world.tus('PATCH', path, { headers: at(0), body: 'hello' });
    assertProblem(answer, 423, 'upload_locked');
    assert.equal(answer.headers.get('retry-after'), '1');
  });

  it('a question for the offset makes a writer that hangs let go', async () => {
    const path = await world.begin(1_000_000);
    const { promise: rest, resolve: sendRest } = Promise.withResolvers<void>();
    const slow = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(Buffer.alloc(300_000, 'x'));
        await rest;
        controller.close();
      },
    });
    const hanging = world.tus('PATCH', path, { headers: at(0), body: slow }).catch(() => undefined);
    await holds(async () => {
      const rows = await world.api().sql(world.tenantId(), 'select lock from upload where id = $1', [idOf(path)]);
      assert.notEqual(rows[0]?.['lock'], null);
    });
    const offset = Number((await world.tus('HEAD', path)).headers.get('upload-offset'));
    const body = Buffer.alloc(1_000_000 - offset, 'x');
    assert.equal((await world.tus('PATCH', path, { headers: at(offset), body })).status, 204);
    sendRest();
    await hanging;
    assert.equal((await world.reaches(idOf(path), 'ready')).sha256, sha256(Buffer.alloc(1_000_000, 'x')));
  });
});

describe('a writer that was only stopped', () => {
  it('can acknowledge nothing and harm nothing once its lock was taken over', async () => {
    const bytes = textOf(300_000);
    const path = await world.begin(bytes.length);
    const id = idOf(path);
    const stopped = await lockAt(id, 0);
    const stoppedWriter = await writerOf(stopped);
    await stoppedWriter.write([bytes.subarray(0, 100_000)], 0);
    await stoppedWriter.flush();
    assert.equal((await commit(id, stopped, 100_000)).outcome, 'held');
    await letExpire(id);

    const next = await lockAt(id, 100_000);
    const nextWriter = await writerOf(next);
    await nextWriter.write([bytes.subarray(100_000, 200_000)], 100_000);
    // It goes on where it was stopped, with bytes of its own.
    await stoppedWriter.write([Buffer.alloc(100_000, '!')], 100_000);
    await stoppedWriter.flush();
    assert.equal((await commit(id, stopped, 200_000)).outcome, 'lost');
    const release = { kind: KINDS.fileProcessing, actor: { actor: 'test' }, now: new Date(), expiresAt: new Date(), quotaBytes: 10 ** 12 };
    const body = { isClean: true, isRefused: false, isLengthNew: false };
    const last = { tenantId: world.tenantId(), id, lock: stopped.lock, offsetBytes: 200_000, sha256: undefined };
    assert.equal((await uploads().release({ ...release, ...last, ...body, lengthBytes: undefined })).outcome, 'lost');
    await nextWriter.flush();
    assert.equal((await commit(id, next, 200_000)).outcome, 'held');
    await Promise.all([stoppedWriter.close(), nextWriter.close()]);
    await letExpire(id);

    const answer = await world.tus('PATCH', path, { headers: at(200_000), body: bytes.subarray(200_000) });
    assert.equal(answer.status, 204, answer.text);
    const file = await world.reaches(id, 'ready');
    assert.deepEqual([file.sizeBytes, file.sha256], [bytes.length, sha256(bytes)]);
    assert.equal((await world.raw('GET', `/v1/files/${id}/content`)).text, bytes.toString());
    assert.deepEqual(await world.partials(id), []);
  });

  it('before its first acknowledged byte leaves nothing in the file either', async () => {
    const path = await world.begin(5);
    const id = idOf(path);
    const stopped = await lockAt(id, 0);
    const writer = await writerOf(stopped);
    await writer.write([Buffer.from('!!!!!!!!')], 0);
    await letExpire(id);
    assert.equal((await world.tus('PATCH', path, { headers: at(0), body: 'hello' })).status, 204);
    await writer.write([Buffer.from('!!!!!!!!')], 0);
    await writer.close();
    assert.equal((await world.reaches(id, 'ready')).sha256, sha256('hello'));
  });
});

describe('a DELETE and the last bytes at once', () => {
  for (const [first, statuses] of [
    ['DELETE', { DELETE: 204, PATCH: 410 }],
    ['PATCH', { DELETE: 204, PATCH: 204 }],
  ] as const) {
    it(`with the ${first} a moment earlier: neither waits for the other for ever, and each hears what is true`, async () => {
      const path = await world.begin(5);
      await using held = await holdFile(idOf(path));
      const send = {
        DELETE: () => world.raw('DELETE', `/v1/files/${idOf(path)}`),
        PATCH: () => world.tus('PATCH', path, { headers: at(0), body: 'hello' }),
      };
      const second = first === 'DELETE' ? 'PATCH' : 'DELETE';
      const earlier = send[first]();
      await held.untilWaiting(1);
      const later = send[second]();
      await held.untilWaiting(2);
      await held.letGo();
      const answers = { [first]: await earlier, [second]: await later };
      assert.deepEqual([answers['DELETE']?.status, answers['PATCH']?.status], [statuses.DELETE, statuses.PATCH]);
      if (statuses.PATCH === 410) assertProblem(answers['PATCH'] ?? assert.fail(), 410, 'upload_gone');
      assertProblem(await world.raw('GET', `/v1/files/${idOf(path)}`), 404, 'not_found');
    });
  }
});

interface HeldFile extends AsyncDisposable {
  /** So many transactions can't go on. */
  untilWaiting(transactions: number): Promise<void>;
  letGo(): Promise<void>;
}

/** Keeps everybody else from changing the row of the file. */
async function holdFile(id: string): Promise<HeldFile> {
  const client = new pg.Client({ connectionString: world.core().ground.databaseUrl, options: '-c role=nightshift_app' });
  await client.connect();
  await client.query('begin');
  await client.query("select set_config('app.tenant', $1, true)", [world.tenantId()]);
  const { rowCount } = await client.query('select from file where id = $1 for update', [id]);
  assert.equal(rowCount, 1);
  return {
    untilWaiting: (transactions) =>
      holds(async () => {
        const { rows } = await client.query(
          'select count(distinct pid)::integer as waiting from pg_locks where not granted and pid in (select pid from pg_stat_activity where datname = current_database())',
        );
        assert.equal(rows[0]?.waiting, transactions);
      }),
    letGo: async () => void (await client.query('commit')),
    [Symbol.asyncDispose]: () => client.end(),
  };
}

describe('an API process that is stopped in the middle of a request', () => {
  it('is overtaken by another, and acknowledges and changes nothing when it goes on', async () => {
    const bytes = textOf(6_000_000);
    const path = await world.begin(bytes.length);
    const id = idOf(path);
    await using other = await startApiProcess();
    const body = controlledBody();
    const answer = fetch(`${other.url}${path}`, {
      method: 'PATCH',
      headers: {
        Authorization: `Bearer ${world.key()}`,
        'Tus-Resumable': '1.0.0',
        'Content-Type': 'application/offset+octet-stream',
        ...at(0),
      },
      body: body.stream,
      duplex: 'half',
    } as RequestInit); // `duplex` is not in the types of fetch yet
    const outcome = answer.then(
      ({ status }) => status,
      () => 'cut' as const,
    );
    body.send(bytes.subarray(0, 3_000_000));
    const acknowledged = await acknowledgedOf(id, (offset) => offset > 0);
    other.child.kill('SIGSTOP');

    // Its lease runs out by itself, as it would have if the process had died.
    await holds(async () => {
      const next = await world.tus('PATCH', path, { headers: at(acknowledged), body: bytes.subarray(acknowledged, 5_000_000) });
      assert.equal(next.status, 204, next.text);
    });
    body.send(Buffer.alloc(2_000_000, '!'));
    body.close();
    other.child.kill('SIGCONT');
    // Where the body isn't read to its end any more, the connection may be gone before the answer.
    assert.ok([423, 'cut'].includes(await outcome));
    assert.equal(await acknowledgedOf(id, () => true), 5_000_000);
    assert.equal((await world.tus('PATCH', path, { headers: at(5_000_000), body: bytes.subarray(5_000_000) })).status, 204);
    assert.equal((await world.reaches(id, 'ready')).sha256, sha256(bytes));
    assert.equal((await world.raw('GET', `/v1/files/${id}/content`)).text, bytes.toString());
  });
});

async function acknowledgedOf(id: string, isEnough: (offset: number) => boolean): Promise<number> {
  let offset = 0;
  await holds(async () => {
    offset = (await uploads().get(world.tenantId(), id))?.offset_bytes ?? 0;
    assert.ok(isEnough(offset), String(offset));
  });
  return offset;
}

interface ApiProcess extends AsyncDisposable {
  readonly url: string;
  readonly child: ChildProcess;
}

/** Over the same database and storage as the one in this process. */
async function startApiProcess(): Promise<ApiProcess> {
  const { databaseUrl } = world.core().ground;
  const child = spawn(process.execPath, [API_PROCESS, databaseUrl, pathToFileURL(world.folder()).href], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]; // what it prints
  return {
    url,
    child,
    async [Symbol.asyncDispose]() {
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    },
  };
}

function controlledBody() {
  let controller: ReadableStreamDefaultController<Uint8Array>;
  const stream = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) });
  return { stream, send: (bytes: Uint8Array) => controller.enqueue(bytes), close: () => controller.close() };
}
