import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { loadConfig } from '../src/config.ts';
import { connectTemporal } from '../src/temporal/connection.ts';
import { type Ground, useGround } from './support/ground.ts';
import { quietTemporal } from './support/quiet-temporal.ts';

quietTemporal();
let ground: Ground;
let folder: string;
let file: string;

before(async () => {
  ground = await useGround();
  folder = await mkdtemp(join(tmpdir(), 'temporal-profile-'));
  file = join(folder, 'temporal.toml');
  const profile = (name: string, address: string) =>
    `[profile.${name}]\naddress = "${address}"\nnamespace = "${name === 'cluster' ? ground.namespace : 'elsewhere'}"\n`;
  await writeFile(file, `${profile('default', '127.0.0.1:1')}${profile('cluster', ground.temporalAddress)}`);
});
after(() => rm(folder, { recursive: true }));

/** As a process of the product does with these settings. */
function connect(settings: Readonly<Record<string, string>>) {
  const { databaseUrl: DATABASE_URL } = ground;
  return connectTemporal(loadConfig({ DATABASE_URL, SMTP_URL: 'smtp://127.0.0.1:1', TEMPORAL_CONFIG_FILE: file, ...settings }));
}

describe('a profile of Temporal’s own configuration file', () => {
  test('says where Temporal is, and in which namespace', async () => {
    await using temporal = await connect({ TEMPORAL_PROFILE: 'cluster' });
    assert.equal(temporal.namespace, ground.namespace);
    const { namespaceInfo } = await temporal.connection.workflowService.describeNamespace({ namespace: temporal.namespace });
    assert.equal(namespaceInfo?.name, ground.namespace);
  });

  test('gives way to settings of the environment', async () => {
    await using temporal = await connect({ TEMPORAL_ADDRESS: ground.temporalAddress, TEMPORAL_NAMESPACE: ground.namespace });
    assert.equal(temporal.namespace, ground.namespace);
  });

  test('that is named and not there is an error', async () => {
    await assert.rejects(connect({ TEMPORAL_PROFILE: 'nowhere' }), /nowhere/);
  });
});
