import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readProcesses } from '../src/embedded/data-folder.ts';
import { LaunchError } from '../src/embedded/launch-error.ts';
import { parseOptions } from '../src/embedded/options.ts';
import { canListen, choosePorts, DEFAULT_PORT_BASE, PORT_BLOCK } from '../src/embedded/ports.ts';
import { identify, isRunning, processesWithEnvironment } from '../src/embedded/processes.ts';
import { eventually } from './support/eventually.ts';
import { freeBlock } from './support/free-port.ts';

const LAUNCHER = fileURLToPath(new URL('./support/launch-stand-in.ts', import.meta.url));
const START_TIMEOUT_MS = 45_000;
const OUTSIDE = {
  DATABASE_URL: 'postgres://app:secret@127.0.0.1:9/db',
  TEMPORAL_ADDRESS: '127.0.0.1:9',
  SMTP_URL: 'smtp://127.0.0.1:9',
};

const root = mkdtempSync(join(tmpdir(), 'nightshift-supervisor-test-'));
const started: Launched[] = [];

after(async () => {
  for (const launched of started) await launched.stop('SIGTERM');
  rmSync(root, { recursive: true, force: true });
});

/** A running supervisor around the stand-in. */
interface Launched {
  readonly pid: number;
  readonly readyFile: string;
  output(): string;
  /** Resolves with the exit code, null when a signal ended it. */
  readonly exit: Promise<number | null>;
  stop(signal: NodeJS.Signals): Promise<number | null>;
}

function launch(dataDir: string, args: readonly string[], environment: Record<string, string> = {}): Launched {
  const readyFile = join(root, `ready-${started.length}`);
  const child = spawn(process.execPath, [LAUNCHER, '--ready-file', readyFile, ...args], {
    env: { ...cleanEnvironment(), DATA_DIR: dataDir, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const exit = once(child, 'close').then(([code]) => code as number | null); // as Node documents it
  const stop = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return exit;
  };
  const launched = { pid: child.pid ?? 0, readyFile, output: () => output, exit, stop };
  started.push(launched);
  return launched;
}

/** Settings of whoever runs the tests must not reach the supervisor under test. */
function cleanEnvironment(): Record<string, string | undefined> {
  const { PATH, HOME, TEMPORAL_CLI_PATH } = process.env;
  return { PATH, HOME, ...(TEMPORAL_CLI_PATH === undefined ? {} : { TEMPORAL_CLI_PATH }) };
}

async function ready(launched: Launched): Promise<Record<string, string>> {
  let hasEnded = false;
  void launched.exit.then(() => (hasEnded = true));
  await eventually(
    () => {
      if (hasEnded) throw new Error(`The supervisor ended: ${launched.output()}`);
      return existsSync(launched.readyFile);
    },
    { timeoutMs: START_TIMEOUT_MS },
  );
  return JSON.parse(readFileSync(launched.readyFile, 'utf8')) as Record<string, string>; // all of its values are strings
}

function pidOf(dataDir: string, name: string): number | undefined {
  return readProcesses(dataDir).find((record) => record.name === name)?.pid;
}

async function assertNothingLeft(dataDir: string, base: number): Promise<void> {
  assert.deepEqual(processesWithEnvironment(`NIGHTSHIFT_DATA=${dataDir}`), []);
  assert.deepEqual(readProcesses(dataDir).filter(isRunning), []);
  for (let port = base; port < base + PORT_BLOCK; port += 1) assert.ok(await canListen('127.0.0.1', port), `port ${port} is still taken`);
}

describe('the supervisor with its embedded servers', () => {
  const dataDir = join(root, 'data');
  let base = 0;
  let launched: Launched;

  it('starts everything and tells where it is', async () => {
    base = await freeBlock();
    launched = launch(dataDir, ['--port', String(base)]);
    const endpoints = await ready(launched);
    assert.equal(endpoints['api'], `http://127.0.0.1:${base}`);
    assert.deepEqual(JSON.parse(readFileSync(join(dataDir, 'endpoints.json'), 'utf8')), endpoints);
    assert.deepEqual(
      readProcesses(dataDir)
        .map(({ name }) => name)
        .toSorted(),
      ['app', 'mailbox', 'postgres', 'stripe-twin', 'temporal'],
    );
    await eventually(() => launched.output().includes('Stop: Ctrl-C'));
    for (const text of [endpoints['api'], endpoints['temporalUi'], endpoints['mailbox'], 'ns_stand_in', 'curl', 'Simulated']) {
      assert.ok(text !== undefined && launched.output().includes(text), `${text} is not on the first screen`);
    }
    const cli = /^ {2}Temporal CLI +(.*)$/m.exec(launched.output())?.[1] ?? '';
    const listed = spawnSync('/bin/sh', ['-c', cli], { encoding: 'utf8', env: cleanEnvironment() });
    assert.equal(listed.status, 0, `${cli}: ${listed.stderr}`);
  });

  it('points the product at the embedded servers', async () => {
    const response = await fetch(`http://127.0.0.1:${base}/`);
    const { environment } = (await response.json()) as { environment: Record<string, string> }; // what the stand-in answers
    assert.match(environment['DATABASE_URL'] ?? '', /^postgres:\/\/nightshift:.+@127\.0\.0\.1:\d+\/nightshift$/);
    assert.match(environment['DATABASE_OWNER_URL'] ?? '', /^postgres:\/\/nightshift_owner:/);
    assert.equal(environment['TEMPORAL_NAMESPACE'], 'nightshift');
    assert.equal(environment['SMTP_URL'], `smtp://127.0.0.1:${base + 5}`);
    assert.match(readFileSync(environment['TEMPORAL_CONFIG_FILE'] ?? '', 'utf8'), new RegExp(`127.0.0.1:${base + 2}`));
  });

  it('refuses a second start on the same data, naming the first', async () => {
    const second = launch(dataDir, []);
    assert.equal(await second.exit, 1);
    assert.match(second.output(), new RegExp(`already runs on this data folder: process ${launched.pid}\\.`));
  });

  it('refuses a taken port that was asked for, naming its holder', async () => {
    const other = launch(join(root, 'other'), ['--port', String(base)], OUTSIDE);
    assert.equal(await other.exit, 1);
    assert.match(other.output(), new RegExp(`Port ${base} \\(--port ${base}\\) is taken by process ${pidOf(dataDir, 'app')} `));
  });

  it('starts every child again that was killed', async () => {
    const names = ['app', 'mailbox', 'stripe-twin', 'temporal', 'postgres'];
    const before = new Map(names.map((name) => [name, pidOf(dataDir, name)]));
    for (const pid of before.values()) process.kill(pid ?? 0, 'SIGKILL');
    for (const name of names) {
      await eventually(() => launched.output().includes(`${name} is back after`), { timeoutMs: START_TIMEOUT_MS });
      assert.match(launched.output(), new RegExp(`${name} died \\(SIGKILL\\): starting it again`));
      assert.notEqual(pidOf(dataDir, name), before.get(name));
    }
    assert.equal((await fetch(`http://127.0.0.1:${base}/`)).status, 200);
    assert.equal((await fetch(`http://127.0.0.1:${base + 6}/api/email`)).status, 200);
  });

  it('takes its node children along when it is killed, and the next start ends the rest and says so', async () => {
    const records = readProcesses(dataDir);
    await launched.stop('SIGKILL');
    const nodeChildren = records.filter(({ name }) => name === 'app' || name === 'mailbox');
    await eventually(() => !nodeChildren.some(isRunning));
    const programs = records.filter(({ name }) => name === 'postgres' || name === 'temporal');
    assert.ok(programs.every(isRunning));

    launched = launch(dataDir, ['--port', String(base)]);
    await ready(launched);
    assert.ok(!programs.some(isRunning));
    await eventually(() => launched.output().includes('Stop: Ctrl-C'));
    assert.match(launched.output(), /The last run on this data was killed\. Ended what it left running: .*postgres.*/);
  });

  it('stops everything when asked, and frees every port', async () => {
    assert.equal(await launched.stop('SIGTERM'), 0);
    await assertNothingLeft(dataDir, base);
    assert.ok(!existsSync(launched.readyFile));
    assert.ok(!existsSync(join(dataDir, 'supervisor.lock')));
  });

  it('refuses data of another version, with the way out', async () => {
    writeFileSync(join(dataDir, 'version'), '99\n');
    const newer = launch(dataDir, [], OUTSIDE);
    assert.equal(await newer.exit, 1);
    assert.match(newer.output(), /has version "99".*--reset/s);
  });
});

describe('the supervisor with everything outside', () => {
  it('starts no embedded server', async () => {
    const dataDir = join(root, 'outside');
    const base = await freeBlock();
    const launched = launch(dataDir, ['--port', String(base)], OUTSIDE);
    await ready(launched);
    assert.deepEqual(
      readProcesses(dataDir).map(({ name }) => name),
      ['app'],
    );
    const response = await fetch(`http://127.0.0.1:${base}/`);
    const { environment } = (await response.json()) as { environment: Record<string, string> }; // what the stand-in answers
    for (const [name, value] of Object.entries(OUTSIDE)) assert.equal(environment[name], value);
    await eventually(() => launched.output().includes('Stop: Ctrl-C'));
    for (const text of ['127.0.0.1:9/db  (outside, by DATABASE_URL)', '127.0.0.1:9  (outside, by TEMPORAL_ADDRESS)', 'mails really go out'])
      assert.ok(launched.output().includes(text), `${text} is not on the first screen`);
    assert.ok(!launched.output().includes('secret'));
    assert.equal(await launched.stop('SIGINT'), 0);
    await assertNothingLeft(dataDir, base);
  });

  it('stops when the npm that started it was ended', async () => {
    const dataDir = join(root, 'npm');
    const readyFile = join(root, 'npm-ready');
    const base = await freeBlock();
    // As npm does it: a shell in between, which does not pass signals on.
    const command = `"${process.execPath}" "${LAUNCHER}" --port ${base} --ready-file "${readyFile}"; true`;
    const environment = { ...cleanEnvironment(), ...OUTSIDE, DATA_DIR: dataDir, npm_lifecycle_event: 'start' };
    const shell = spawn('/bin/sh', ['-c', command], { env: environment, stdio: 'ignore' });
    await eventually(() => existsSync(readyFile), { timeoutMs: START_TIMEOUT_MS });
    shell.kill('SIGTERM');
    await eventually(() => !existsSync(join(dataDir, 'supervisor.lock')));
    await assertNothingLeft(dataDir, base);
  });

  it('throws data away with --reset, but empties no folder of others', async () => {
    const dataDir = join(root, 'reset');
    const base = await freeBlock();
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, 'thesis.txt'), 'years of work');
    const refused = launch(dataDir, ['--reset', '--port', String(base)], OUTSIDE);
    assert.equal(await refused.exit, 1);
    assert.match(refused.output(), /is not a data folder of Nightshift: nothing was removed/);

    writeFileSync(join(dataDir, 'version'), '0\n');
    const launched = launch(dataDir, ['--reset', '--port', String(base)], OUTSIDE);
    await ready(launched);
    assert.ok(!existsSync(join(dataDir, 'thesis.txt')));
    await launched.stop('SIGTERM');
  });

  it('removes the data of --ephemeral at the end, and that of a killed run at the next start', async () => {
    const folder = join(root, 'tmp');
    mkdirSync(folder);
    const base = await freeBlock();
    const start = () => launch('unused', ['--ephemeral', '--port', String(base)], { ...OUTSIDE, TMPDIR: folder });
    const killed = start();
    await ready(killed);
    await killed.stop('SIGKILL');
    assert.equal(readdirSync(folder).length, 1);

    const next = start();
    await ready(next);
    assert.equal(readdirSync(folder).length, 1);
    await next.stop('SIGTERM');
    assert.deepEqual(readdirSync(folder), []);
  });

  it('names all wrong settings in one message before anything starts', async () => {
    const dataDir = join(root, 'wrong');
    const launched = launch(dataDir, [], { PORT: 'x', SETTLE_SWEEP: 'often', LOG_LEVEL: 'loud' });
    assert.equal(await launched.exit, 1);
    assert.match(launched.output(), /3 settings are wrong:.*PORT.*SETTLE_SWEEP.*LOG_LEVEL/s);
    assert.ok(!existsSync(dataDir));
  });

  it('explains its flags, also when one is wrong', () => {
    const help = spawnSync(process.execPath, [LAUNCHER, '--help'], { encoding: 'utf8', env: cleanEnvironment() });
    assert.equal(help.status, 0);
    const wrong = spawnSync(process.execPath, [LAUNCHER, '--prot', '1'], { encoding: 'utf8', env: cleanEnvironment() });
    assert.equal(wrong.status, 1);
    for (const output of [help.stdout, wrong.stderr]) assert.match(output, /--ephemeral.*--reset.*--port N.*--ready-file F/s);
  });

  it('throws nothing away when the data would be new anyway', () => {
    assert.throws(() => parseOptions(['--ephemeral', '--reset']), { name: LaunchError.name, message: /exclude each other/ });
    assert.equal(parseOptions(['--ephemeral']).isReset, false);
  });

  it('takes no block of ports that does not fit', () => {
    assert.equal(parseOptions(['--port', String(65_536 - PORT_BLOCK)]).portBase, 65_536 - PORT_BLOCK);
    assert.throws(() => parseOptions(['--port', String(65_537 - PORT_BLOCK)]), { name: LaunchError.name });
  });
});

/** A process whose first thread ends at once, while another one holds a port. */
const HEADLESS = `import ctypes, socket, threading, time
held = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=lambda: time.sleep(60)).start()
print(held.getsockname()[1], flush=True)
ctypes.CDLL(None).pthread_exit(None)`;

describe('a process', { skip: process.platform === 'linux' ? false : 'only Linux tells of threads' }, () => {
  it('is not gone while any of its threads holds a port, although it looks like a zombie', async () => {
    const child = spawn('python3', ['-c', HEADLESS], { stdio: ['ignore', 'pipe', 'inherit'] });
    const { pid = 0 } = child;
    const identity = identify(pid) ?? assert.fail('it does not run');
    const [line] = await once(child.stdout, 'data');
    await eventually(() => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z '));
    assert.equal(await canListen('127.0.0.1', Number(line)), false);
    assert.equal(isRunning(identity), true);
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
    assert.equal(isRunning(identity), false);
    assert.equal(await canListen('127.0.0.1', Number(line)), true);
  });
});

describe('ports', () => {
  it('move to the next free one when a default one is taken, which is said', async () => {
    const server = createServer();
    server.listen(DEFAULT_PORT_BASE, '127.0.0.1');
    // Whoever has the port already serves as well.
    await Promise.race([once(server, 'listening'), once(server, 'error').catch(() => {})]).catch(() => {});
    const { ports, notices } = await choosePorts([{ name: 'api', host: '127.0.0.1', explicit: undefined }]);
    assert.ok(ports.api >= DEFAULT_PORT_BASE + PORT_BLOCK);
    assert.match(notices.join(), new RegExp(`Port ${DEFAULT_PORT_BASE} is taken by .*: the API is on ${ports.api} instead`));
    server.close();
  });
});
