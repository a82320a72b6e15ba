// Runs the commands of docs/files.md, as somebody who reads it would.
import assert from 'node:assert/strict';
import { holds } from './files/world.ts';
import { type Checks, describeHowTo, useHowTo } from './support/how-to.ts';

const howTo = useHowTo();

async function file(variable: string): Promise<{ readonly state: string; readonly sizeBytes: number; readonly name: string }> {
  return (await howTo.product().call('GET', `/v1/files/${await howTo.run(`echo "${variable}"`)}`)).body;
}

async function operation(): Promise<{ readonly status: string; readonly paused?: boolean }> {
  return (await howTo.product().call('GET', `/v1/operations/${await howTo.run('echo "$OPERATION"')}`)).body;
}

function ends(status: string): Promise<void> {
  return holds(async () => assert.equal((await operation()).status, status));
}

/** What each section must have done, seen over REST. */
const CHECKS: Checks = {
  'One request': async (output) => {
    assert.match(output, /"state":"ready"/);
    assert.match(output, /"mediaType":"text\/csv"/);
  },
  'Resumable uploads': async () => {
    await holds(async () => {
      const { state, sizeBytes, name } = await file('${URL##*/}');
      assert.deepEqual([state, sizeBytes, name], ['ready', 12, 'notes.txt']);
    });
  },
  States: async (output) => {
    assert.match(output, /"state":"quarantined"/);
    assert.match(output, /"code":"(extension_mismatch|declared_type_mismatch|executable)"/);
    assert.match(output, /"type":"file.ready"/);
  },
  Download: async (output) => assert.match(output, /^id,name\n1,Ada\n2,Grace$/m),
  'Check again': async (output) => assert.match(output, /"status":"succeeded".*"state":"ready"/),
  'Make another table': async (output) => {
    const [, id] = /"id":"([^"]+)"/.exec(output) ?? assert.fail(output);
    await holds(async () => {
      const { status, result } = (await howTo.product().call('GET', `/v1/operations/${id}`)).body;
      assert.deepEqual([status, result?.rows, result?.rejected], ['succeeded', 2, 0]);
    });
  },
  'With the temporal CLI': async (output) => assert.match(output, /WorkflowExecutionCompleted/),
  Signal: async () => assert.deepEqual((await operation()).paused, true),
  'Signal: resume': () => ends('succeeded'),
  'Cancel with the CLI': () => ends('cancelled'),
  Uploads: async (output) => {
    assert.match(output, /204$/);
    await holds(async () => assert.match(await howTo.run('temporal workflow describe --workflow-id "$WORKFLOW"'), /Completed|COMPLETED/));
  },
  Delete: async (output) => assert.deepEqual(output.split('\n'), ['204', '404']),
};

describeHowTo(howTo, 'docs/files.md', CHECKS);
