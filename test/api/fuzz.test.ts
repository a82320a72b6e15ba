import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Problem } from '../../src/contracts/problems.ts';
import { type Api, START, startApi } from './fixture.ts';

const COUNT = 300;
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_124);

let api: Api;

before(async () => void (api = await startApi()));
after(() => api[Symbol.asyncDispose]());

/** Values that have broken somebody's server before. */
const ODD: readonly unknown[] = [
  ...[null, true, -1, 0, 1e308, -0, 1.5, '', ' ', '\u0000', '\ud800', '😀', 'a'.repeat(2000), [], {}, [[]], [null], { $ne: null }],
  ...[
    "'; drop table operation; --",
    '{{7*7}}',
    '../../etc/passwd',
    '2026-02-30T00:00:00Z',
    '0000-01-01T00:00:00Z',
    '-000001-01-01T00:00:00Z',
  ],
  ...['9999-12-31T23:59:59+99:99', 'a@b', 'a@b.co\r\nBcc: x@y.co', '\u202E', 'NaN', Array.from({ length: 300 }, () => 'a@b.co')],
  ...[{ toString: 1 }, { length: -1 }, '\\u0000', '%00', Number.MAX_SAFE_INTEGER + 2],
];

/** A small generator with a seed, so that a failure can be repeated. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function mutate(value: unknown, random: (below: number) => number): unknown {
  if (random(4) === 0 || typeof value !== 'object' || value === null) return ODD[random(ODD.length)];
  if (Array.isArray(value)) return value.map((entry: unknown, index) => (index === random(value.length) ? mutate(entry, random) : entry));
  const entries = Object.entries(value);
  const at = random(entries.length + 2);
  if (at === entries.length) return { ...value, [textOf(ODD[random(ODD.length)])]: ODD[random(ODD.length)] };
  if (at > entries.length) return Object.fromEntries(entries.slice(1));
  return Object.fromEntries(entries.map(([name, entry], index) => [name, index === at ? mutate(entry, random) : entry]));
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

function damage(text: string, random: (below: number) => number): string {
  const at = random(text.length);
  const piece = ['"', '}', '\\', '\u0001', ',', '[', 'null', '\\u00', '\uFFFF'][random(9)] ?? '';
  return text.slice(0, at) + piece + text.slice(at + random(3));
}

describe('garbage', () => {
  it(`is never answered with a server error (seed ${SEED})`, async () => {
    const random = createRandom(SEED);
    const { id: tenantId, key } = await api.newTenant();
    const { id } = (await api.call('POST', '/v1/operations', { key, body: START })).body;
    await api.sql(tenantId, `update operation set status = 'running', run_id = 'r' where id = $1`, [id]);
    const full = {
      ...START,
      tags: ['a', 'b'],
      metadata: { a: 1, b: 'x' },
      priority: 2,
      startAt: '2030-01-01T00:00:00Z',
      expiresAt: '2031-01-01T00:00:00Z',
      ownerSubject: 'u_1',
    };
    const targets: readonly (readonly [string, string, object])[] = [
      ['POST', '/v1/operations', full],
      ['POST', '/v1/operations', full],
      ['POST', `/v1/operations/${id}/retry`, { input: full.input, reason: 'x' }],
      ['POST', `/v1/operations/${id}/signals/retryNow`, { reason: 'x' }],
      ['POST', `/v1/operations/${id}/pause`, { reason: 'x' }],
      ['PATCH', `/v1/operations/${id}`, { startAt: '2030-01-01T00:00:00Z' }],
      ['POST', '/v1/api-keys', { name: 'x', scopes: ['email:read'], expiresAt: '2030-01-01T00:00:00Z' }],
      ['POST', '/v1/tokens', { subject: 'u_1', scopes: ['email:read'], resources: ['operation/x'], ttl: '5m' }],
      ['PUT', '/v1/users/u_1', { email: 'a@b.co', timeZone: 'Europe/Berlin', locale: 'de', attributes: { a: 1 } }],
    ];
    for (let i = 0; i < COUNT; i++) {
      const [method, path, body] = targets[random(targets.length)] ?? ['POST', '/v1/operations', full];
      let mutated: unknown = body;
      for (let depth = random(3); depth >= 0; depth--) mutated = mutate(mutated, random);
      const text = JSON.stringify(mutated) ?? '';
      const answer = await api.call(method, path, { key, body: random(5) === 0 ? damage(text, random) : text });
      const shown = `${method} ${path} ${text.slice(0, 300)} -> ${answer.status} ${answer.text.slice(0, 300)}`;
      assert.ok(answer.status < 500, shown);
      if (answer.status >= 400) {
        assert.equal(answer.headers.get('content-type'), 'application/problem+json', shown);
        Problem.parse(answer.body);
      }
    }
  });

  it(`in the query is never answered with a server error (seed ${SEED})`, async () => {
    const random = createRandom(SEED);
    const { key } = await api.newTenant();
    const names = ['kind', 'status', 'tag', 'text', 'createdAfter', 'createdBefore', 'limit', 'cursor', 'x'];
    for (let i = 0; i < COUNT / 2; i++) {
      const value = textOf(ODD[random(ODD.length)]);
      const encoded =
        random(4) === 0 ? damage('%41%42', random).replaceAll(/[^!$-~]/g, '') : encodeURIComponent(value.toWellFormed()).slice(0, 3000);
      const answer = await api.call('GET', `/v1/operations?${names[random(names.length)]}=${encoded}`, { key });
      assert.ok(answer.status < 500, `${encoded} -> ${answer.text}`);
      if (answer.status >= 400) Problem.parse(answer.body);
    }
  });
});
