import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from './support/eventually.ts';
import { freePort } from './support/free-port.ts';
import { useGround } from './support/ground.ts';
import { type SmtpScriptServer, startSmtpScript } from './support/smtp-script.ts';

let folder: string;
let smtp: SmtpScriptServer;
const children: ChildProcess[] = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'processes-'));
  smtp = await startSmtpScript();
});
after(async () => {
  for (const child of children) child.kill('SIGKILL');
  await smtp[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function start(args: readonly string[], environment: Readonly<Record<string, string>>): Promise<ChildProcess> {
  const ground = await useGroundOnce();
  const env = {
    ...process.env,
    DATABASE_URL: ground.databaseUrl,
    DATABASE_OWNER_URL: ground.ownerUrl,
    TEMPORAL_ADDRESS: ground.temporalAddress,
    TEMPORAL_NAMESPACE: ground.namespace,
    SMTP_URL: smtp.url,
    METRICS_PORT: String(await freePort()),
    TEMPORAL_METRICS_PORT: String(await freePort()),
    LOG_LEVEL: 'warn',
    ...environment,
  };
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  children.push(child);
  const [message] = await once(child, 'message');
  assert.equal(message.type, 'ready');
  return child;
}

let ground: ReturnType<typeof useGround> | undefined;
function useGroundOnce(): ReturnType<typeof useGround> {
  ground ??= useGround();
  return ground;
}

test('server and worker run as processes of their own, on a database, Temporal and mail relay that are there already', async () => {
  const port = await freePort();
  const keyFile = join(folder, 'api-key');
  const server = await start(['src/server.ts', '--queues', 'core'], { PORT: String(port), API_KEY_FILE: keyFile });
  const worker = await start(['src/worker.ts', '--queues', 'mail'], {});
  const headers = { authorization: `Bearer ${(await readFile(keyFile, 'utf8')).trim()}`, 'content-type': 'application/json' };
  const to = ['a@example.com', 'b@example.com', 'c@example.com'];
  const answer = await fetch(`http://127.0.0.1:${port}/v1/emails`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ to, subject: 'Hi', text: 'Hi' }),
  });
  assert.equal(answer.status, 202);
  const location = answer.headers.get('location') ?? '';
  await eventually(async () => {
    const operation = await (await fetch(`http://127.0.0.1:${port}${location}`, { headers })).json();
    return operation !== null && typeof operation === 'object' && 'status' in operation && operation.status === 'succeeded';
  });
  assert.equal(smtp.accepted.length, 3);
  for (const child of [server, worker]) {
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    assert.equal(code, 0);
  }
});
