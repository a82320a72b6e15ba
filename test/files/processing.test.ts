import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { assertProblem, startApi } from '../api/fixture.ts';
import { eventually } from '../support/eventually.ts';
import { createGates } from './gates.ts';
import { holds, sha256, useFileWorld } from './world.ts';

const gates = createGates();
const world = useFileWorld({ gates });

/** Text of a test file that every scanner knows, put together here so that none takes this file for it. */
const EICAR = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR', '-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'].join('');

interface Started {
  readonly fileId: string;
  readonly operationId: string;
  readonly workflowId: string;
}

async function start(body = 'hello, world\n', query = ''): Promise<Started> {
  const answer = await world.raw('POST', `/v1/files?name=a.txt${query}`, { body, headers: { 'Content-Type': 'text/plain' } });
  assert.equal(answer.status, 202, answer.text);
  const row = await world.core().deps.store.operations.get(world.tenantId(), answer.body.id);
  return { fileId: answer.body.links.resource.split('/').at(-1), operationId: answer.body.id, workflowId: row?.workflow_id ?? '' };
}

async function verb(operationId: string, name: string): Promise<void> {
  const answer = await world.raw('POST', `/v1/operations/${operationId}/${name}`);
  assert.ok(answer.status < 300, answer.text);
}

const handleOf = ({ workflowId }: Started) => world.core().serving.temporal.client.workflow.getHandle(workflowId);

beforeEach(() => gates.failChecks(0));

describe('the check of a file', () => {
  it('puts what is not what it says into quarantine, and gives nobody its bytes', async () => {
    const picture = await world.put('MZ this is no picture', 'cat.png', 'image/png');
    assert.equal(picture.state, 'quarantined');
    assert.ok(
      (picture.reasons ?? []).some(({ code }) => code === 'extension_mismatch'),
      JSON.stringify(picture.reasons),
    );
    for (const path of ['content', 'links']) {
      const answer = await world.raw(path === 'links' ? 'POST' : 'GET', `/v1/files/${picture.id}/${path}`);
      assertProblem(answer, 409, 'file_not_ready');
    }
    const { body } = await world.raw('GET', `/v1/operations/${picture.operationId}`);
    assert.deepEqual([body.status, body.result.state], ['succeeded', 'quarantined']);
  });

  it('finds the test virus, and calls nothing clean that nobody scanned', async () => {
    const infected = await world.put(EICAR, 'a.txt', 'text/plain');
    assert.equal(infected.state, 'quarantined');
    assert.ok((infected.reasons ?? []).some(({ code }) => code === 'infected'));
    assert.equal(infected.checks?.antivirus.state, 'infected');
    assert.equal((await world.put('hello', 'a.txt', 'text/plain')).checks?.antivirus.state, 'no_signature_database');
  });

  it('tells of its end by an event, and tells whom the start named', async () => {
    const notify = [{ email: 'ada@example.com' }];
    const { fileId, operationId } = await start('hello', `&start=${encodeURIComponent(JSON.stringify({ notify, tags: ['import'] }))}`);
    await world.reaches(fileId, 'ready');
    const { tags } = await world.ends(operationId, 'succeeded');
    assert.deepEqual(tags, ['import']);
    await holds(async () => {
      const { body } = await world.raw('GET', '/v1/events?type=file.ready&limit=200');
      const event = body.data.find((one: { data: { fileId: string } }) => one.data.fileId === fileId);
      assert.deepEqual(event?.data.sha256, sha256('hello'));
    });
    await holds(async () => {
      const { body } = await world.raw('GET', '/v1/operations?kind=email');
      assert.ok(body.data.length > 0);
    });
  });

  it('is tried again when the machine fails, and then comes to its end', async () => {
    gates.failChecks(2);
    const { fileId, operationId } = await start();
    await world.reaches(fileId, 'ready');
    // The timeline is written a moment later than what it tells of.
    await eventually(async () => {
      const { body } = await world.raw('GET', `/v1/operations/${operationId}/timeline`);
      const checks = body.data.filter(({ activity }: { activity: string }) => activity === 'checkFile');
      assert.deepEqual(
        checks.map(({ outcome }: { outcome: string }) => outcome),
        ['failed', 'failed', 'succeeded'],
      );
      return true;
    });
  });

  it('can be asked for again, by whoever may see the file', async () => {
    const { fileId } = await start();
    const before = await world.reaches(fileId, 'ready');
    const again = { kind: 'fileProcessing', input: { fileId } };
    const ask = (key: string) =>
      world.raw('POST', '/v1/operations', {
        key,
        body: JSON.stringify(again),
        headers: { 'Content-Type': 'application/json', Prefer: 'wait=25' },
      });
    const answer = await ask(world.key());
    assert.deepEqual([answer.status, answer.body.status, answer.body.links.resource], [200, 'succeeded', `/v1/files/${fileId}`]);
    assert.notEqual((await world.file(fileId)).operationId, before.operationId);
    assertProblem(await ask((await world.api().newTenant()).key), 400, 'invalid_request');
    assertProblem(await ask((await world.api().newToken(world.tenantId())).key), 400, 'invalid_request');
  });
});

describe('the hash of an upload', () => {
  const parts = ['hello, ', 'world\n'] as const;
  const patch = (path: string, offset: number, body: string) =>
    world.tus('PATCH', path, { headers: { 'Upload-Offset': String(offset) }, body });

  async function checkedAfter(send: (path: string) => Promise<unknown>): Promise<number> {
    const path = await world.begin(parts.join('').length, { filename: 'a.txt' });
    const before = gates.begun('read');
    assert.equal((await patch(path, 0, parts[0])).status, 204);
    await send(path);
    assert.equal((await world.reaches(path.split('/').at(-1) ?? '', 'ready')).sha256, sha256(parts.join('')));
    return gates.begun('read') - before;
  }

  it('is known with the last byte when one process saw them all: none is read again', async () => {
    assert.equal(await checkedAfter((path) => patch(path, parts[0].length, parts[1])), 0);
  });

  it('is made of the stored bytes when another process has received some', async () => {
    const { store, storage, sources, findBytes, files } = world.api().context;
    await using other = await startApi({ store, storage, sources, findBytes, files }, world.core().ground);
    const send = (path: string) =>
      fetch(`${other.url}${path}`, {
        method: 'PATCH',
        headers: {
          ...{ Authorization: `Bearer ${world.key()}`, 'Tus-Resumable': '1.0.0', 'Content-Type': 'application/offset+octet-stream' },
          'Upload-Offset': String(parts[0].length),
        },
        body: parts[1],
      });
    assert.equal(await checkedAfter(send), 1);
  });
});

describe('cancelling a check', () => {
  it('before it began leaves the bytes, and a retry checks them', async () => {
    const startAt = new Date(Date.now() + 3_600_000).toISOString();
    const { fileId, operationId } = await start('hello', `&start=${encodeURIComponent(JSON.stringify({ startAt }))}`);
    assert.equal((await world.file(fileId)).state, 'checking');
    await verb(operationId, 'cancel');
    const file = await world.file(fileId);
    assert.deepEqual([file.state, file.reasons?.[0]?.code], ['failed', 'check_cancelled']);
    await verb(operationId, 'retry');
    assert.equal((await world.reaches(fileId, 'ready')).sha256, sha256('hello'));
  });

  for (const step of ['store', 'check'] as const) {
    it(`in the step ${step} takes effect at once`, async (t) => {
      const gate = gates.hold(step);
      const { fileId, operationId } = await start();
      await gate.reached;
      await verb(operationId, 'cancel');
      await world.ends(operationId, 'cancelled');
      t.diagnostic(await world.toldOfCancel(operationId, `${step}File`));
      assert.equal((await world.file(fileId)).state, 'failed');
      await verb(operationId, 'retry');
      await world.reaches(fileId, 'ready');
    });
  }

  it('after its end comes too late', async () => {
    const { fileId, operationId } = await start();
    await world.reaches(fileId, 'ready');
    await world.ends(operationId, 'succeeded');
    assertProblem(await world.raw('POST', `/v1/operations/${operationId}/cancel`), 409, 'operation_finished');
  });
});

describe('a check in the hands of an operator', () => {
  it('pauses between its steps, and goes on when told twice', async () => {
    const gate = gates.hold('store');
    const started = await start();
    await gate.reached;
    await verb(started.operationId, 'pause');
    gate.release();
    await holds(async () => assert.equal((await world.raw('GET', `/v1/operations/${started.operationId}`)).body.phase, 'paused'));
    assert.equal((await world.file(started.fileId)).state, 'checking');
    await verb(started.operationId, 'resume');
    await handleOf(started)
      .signal('resume', { actor: 'test' })
      .catch(() => undefined);
    await world.reaches(started.fileId, 'ready');
  });

  it('is seen to be terminated, and can be retried', async () => {
    const gate = gates.hold('check');
    const started = await start();
    await gate.reached;
    await handleOf(started).terminate('test');
    await world.ends(started.operationId, 'failed');
    const file = await world.file(started.fileId);
    assert.deepEqual([file.state, file.reasons?.[0]?.code], ['failed', 'check_failed']);
    await verb(started.operationId, 'retry');
    await world.reaches(started.fileId, 'ready');
  });

  it('runs again from the beginning when it is reset', async () => {
    const started = await start();
    await world.reaches(started.fileId, 'ready');
    await world.ends(started.operationId, 'succeeded');
    const { serving, ground } = world.core();
    const before = gates.begun('check');
    await serving.temporal.client.workflowService.resetWorkflowExecution({
      namespace: ground.namespace,
      workflowExecution: { workflowId: started.workflowId, runId: (await handleOf(started).describe()).runId },
      reason: 'test',
      workflowTaskFinishEventId: 4 as never,
      requestId: crypto.randomUUID(),
    });
    await holds(async () => assert.ok(gates.begun('check') > before));
    await world.ends(started.operationId, 'succeeded');
    assert.equal((await world.reaches(started.fileId, 'ready')).sha256, sha256('hello, world\n'));
  });

  it('ends when its file is deleted under way, and leaves nothing behind', async () => {
    const gate = gates.hold('store');
    const { fileId, operationId } = await start();
    await gate.reached;
    assert.equal((await world.raw('DELETE', `/v1/files/${fileId}`)).status, 204);
    gate.release();
    const { error } = await world.ends(operationId, 'failed');
    assert.equal(error?.code, 'file_gone');
    await holds(async () => assert.equal(await world.core().deps.storage.stat(`files/${world.tenantId()}/${fileId}`), undefined));
  });

  it('that comes too late is not begun', async () => {
    const expiresAt = new Date(Date.now() + 1_500).toISOString();
    const gate = gates.hold('store');
    const { operationId, fileId } = await start('hello', `&start=${encodeURIComponent(JSON.stringify({ expiresAt }))}`);
    // Asked about once: a second asker could still be asking when the servers are gone.
    const expired = world.ends(operationId, 'expired');
    await Promise.race([gate.reached, expired]);
    await holds(async () => assert.ok(Date.now() > Date.parse(expiresAt)));
    gate.release();
    await expired;
    assert.equal((await world.file(fileId)).state, 'failed');
  });
});
