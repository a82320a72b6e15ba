// Workflow code must go on from every history that an older version wrote. New cases: scripts/record-histories.ts.
import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { globSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Worker } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { pino } from 'pino';
import ts from 'typescript';
import { INNER_WORKFLOWS } from '../../src/contracts/inner-workflows.ts';
import { KINDS } from '../../src/contracts/kinds.ts';
import { dataConverter } from '../../src/temporal/data-converter.ts';
import { watchWorkflowThreads } from '../../src/temporal/workflow-threads.ts';
import { bundleWorkflows, PRODUCT_WORKFLOWS } from '../support/bundle.ts';
import { useBundle } from '../support/ground.ts';
import { quietTemporal } from '../support/quiet-temporal.ts';

const ROOT = join(import.meta.dirname, '../..');

interface RecordedHistory {
  /** Name of the workflow function. */
  readonly workflow: string;
  /** `<workflow>/<case>` */
  readonly name: string;
  readonly history: unknown;
}

quietTemporal();
// As the product runs them.
watchWorkflowThreads(pino({ level: 'silent' }));
const recorded = await readHistories();
const recordedWorkflows = [...new Set(recorded.map(({ workflow }) => workflow))];

describe('recorded histories', () => {
  it('exist for every workflow', () => {
    const workflows = [...Object.values(KINDS).map(({ workflow }) => workflow), ...Object.keys(INNER_WORKFLOWS)];
    assert.deepEqual(recordedWorkflows.toSorted(), workflows.toSorted(), 'Record some: scripts/record-histories.ts says how.');
  });

  for (const { name, history } of recorded) {
    it(`replay with the code of today: ${name}`, async () => {
      await Worker.runReplayHistory({ workflowBundle: { codePath: await useBundle() }, dataConverter }, history, workflowIdOf(history));
    });
  }
});

describe('the replay gate', () => {
  let changed: string;

  before(async () => {
    changed = await mkdtemp(join(tmpdir(), 'nightshift-replay-'));
    await cp(join(ROOT, 'src'), join(changed, 'src'), { recursive: true });
    await symlink(join(ROOT, 'node_modules'), join(changed, 'node_modules'));
    await Promise.all(recordedWorkflows.map((workflow) => sleepFirst(join(changed, 'src/workflows'), workflow)));
  });

  after(() => rm(changed, { recursive: true, force: true }));

  it('refuses every history once the commands of its workflow come in another order', async () => {
    const { code } = await bundleWorkflows(PRODUCT_WORKFLOWS, changed);
    const taken: string[] = [];
    for (const { name, history } of recorded) {
      const replay = Worker.runReplayHistory({ workflowBundle: { code }, dataConverter }, history, workflowIdOf(history));
      await replay.then(
        () => taken.push(name),
        (error: unknown) => assert.ok(error instanceof DeterminismViolationError, name),
      );
    }
    assert.deepEqual(taken, []);
  });
});

async function readHistories(): Promise<RecordedHistory[]> {
  const files = globSync('*/*.json', { cwd: import.meta.dirname }).toSorted();
  return await Promise.all(
    files.map(async (file) => ({
      workflow: dirname(file),
      name: join(dirname(file), basename(file, '.json')),
      history: JSON.parse(await readFile(join(import.meta.dirname, file), 'utf8')) as unknown,
    })),
  );
}

/** A workflow may use its own id; histories carry it in their first event. */
function workflowIdOf(history: unknown): string | undefined {
  const [first] = (history as { events: { workflowExecutionStartedEventAttributes?: { workflowId?: string } }[] }).events; // Temporal's own format
  return first?.workflowExecutionStartedEventAttributes?.workflowId;
}

/** Changes a workflow in a copy of the sources: a timer comes before all that it did so far. */
async function sleepFirst(folder: string, workflow: string): Promise<void> {
  for (const file of globSync('**/*.ts', { cwd: folder })) {
    const path = join(folder, file);
    const text = await readFile(path, 'utf8');
    const body = bodyOf(workflow, ts.createSourceFile(file, text, ts.ScriptTarget.Latest));
    if (body === undefined) continue;
    await writeFile(
      path,
      `import { sleep as plantedSleep } from '@temporalio/workflow';\n${text.slice(0, body.pos)} {\nawait plantedSleep(1);\n${text.slice(body.pos).replace('{', '')}`,
    );
    return;
  }
  assert.fail(`No file under src/workflows declares ${workflow}.`);
}

function bodyOf(workflow: string, source: ts.SourceFile): ts.Block | undefined {
  return source.statements.filter(ts.isFunctionDeclaration).find(({ name }) => name?.text === workflow)?.body;
}
