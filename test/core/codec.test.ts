// Puts another codec in the place of the one that changes nothing, as who encrypts would, and looks into what Temporal is given.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { Worker } from '@temporalio/worker';
import { dataConverter } from '../../src/temporal/data-converter.ts';
import { useCore } from '../support/core-fixture.ts';
import { useBundle } from '../support/ground.ts';

const SEALED = 'binary/sealed';
const text = new TextEncoder();
const encodingOf = ({ metadata }: Payload): string => Buffer.from(metadata?.['encoding'] ?? []).toString();

const codec: PayloadCodec = {
  encode: async (payloads) =>
    payloads.map(({ data, metadata }) => ({
      data: (data ?? new Uint8Array()).map((byte) => byte ^ 0xff),
      metadata: { ...metadata, inner: metadata?.['encoding'] ?? new Uint8Array(), encoding: text.encode(SEALED) },
    })),
  decode: async (payloads) =>
    payloads.map((payload) => {
      if (encodingOf(payload) !== SEALED) return payload;
      const { data, metadata } = payload;
      return {
        data: (data ?? new Uint8Array()).map((byte) => byte ^ 0xff),
        metadata: { ...metadata, encoding: metadata?.['inner'] ?? new Uint8Array() },
      };
    }),
};
// Everybody was given this one object.
(dataConverter.payloadCodecs as PayloadCodec[]).splice(0, 1, codec);

const fixture = useCore();

describe('the codec of payloads', () => {
  test('is asked by clients, workers and replay, and seals all that workflows are given and give', async () => {
    const row = await fixture.start([{ do: 'effect', phase: 'sealed' }, { do: 'signal' }]);
    await fixture.shows(row.id, 'held');
    const handle = fixture.core().serving.temporal.client.workflow.getHandle(row.workflow_id);
    assert.ok(await handle.query('status'));
    await handle.signal('advance', { actor: 'a test' });
    await fixture.reaches(row.id, 'succeeded');
    // The row is closed a moment before the workflow is.
    await handle.result();
    const history = await handle.fetchHistory();
    const found = payloadsIn(history);
    const sealed = found.filter(({ encoding }) => encoding === SEALED).map(({ path }) => path);
    for (const place of [
      'workflowExecutionStartedEventAttributes.input',
      'workflowExecutionSignaledEventAttributes.input',
      'workflowExecutionCompletedEventAttributes.result',
      'markerRecordedEventAttributes.details.result',
    ])
      assert.ok(
        sealed.some((path) => path.includes(place)),
        `${place} in ${sealed.join(' ')}`,
      );
    assert.deepEqual(
      found.filter(({ encoding }) => encoding !== SEALED).map(({ path }) => path),
      [],
    );
    await Worker.runReplayHistory({ workflowBundle: { codePath: await useBundle() }, dataConverter }, history, row.workflow_id);
  });
});

interface Found {
  readonly path: string;
  readonly encoding: string;
}

/** All payloads but search attributes, which Temporal must read, and what its SDK writes about a local step for itself. */
function payloadsIn(value: unknown, path = ''): readonly Found[] {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return [];
  if (/searchAttributes|details\.data\b/.test(path)) return [];
  if ('metadata' in value && 'data' in value) return [{ path, encoding: encodingOf(value as Payload) }]; // as Temporal's API has them
  return Object.entries(value).flatMap(([key, inner]) => payloadsIn(inner, `${path}.${key}`));
}
