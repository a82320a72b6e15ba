import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sha256, textOf, useFileWorld } from './files/world.ts';

const world = useFileWorld();

describe('a file', () => {
  it('is uploaded by a tus client, checked, and downloaded again', async () => {
    const bytes = textOf(5 * 1024 * 1024 + 17);
    const id = await world.upload(bytes, { metadata: { filename: 'notes.txt', filetype: 'text/plain' } });
    const file = await world.reaches(id, 'ready');
    assert.equal(file.sha256, sha256(bytes));
    assert.equal(file.sizeBytes, bytes.length);
    assert.deepEqual([file.name, file.declaredType, file.mediaType], ['notes.txt', 'text/plain', 'text/plain']);
    const content = await world.raw('GET', `/v1/files/${id}/content`);
    assert.equal(sha256(content.text), sha256(bytes));
    const part = await world.raw('GET', `/v1/files/${id}/content`, { headers: { Range: 'bytes=1000-1999' } });
    assert.equal(part.status, 206);
    assert.equal(part.text, bytes.subarray(1000, 2000).toString());
    const { body } = await world.raw('GET', `/v1/operations/${file.operationId}`);
    assert.equal(body.result.state, 'ready');
    assert.deepEqual(await world.partials(id), []);
  });

  it('is uploaded in one request', async () => {
    const file = await world.put('hello, world\n', 'hello.txt', 'text/plain');
    assert.equal(file.state, 'ready');
    assert.equal(file.sha256, sha256('hello, world\n'));
  });
});
