// Against an emulator of S3 on every run, or the service that TEST_S3_ENDPOINT names; what that answered is in docs/proof/files.md.
import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CreateBucketCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import { createStorage } from '../../src/adapters/storage.ts';
import { NO_S3, type S3Service, startS3 } from '../support/s3.ts';
import { pieces, type StorageTarget, testStorage } from './storage.suite.ts';

const PIECE_BYTES = 8 * 1024 * 1024;
const ID = '019ab6a0-7c00-7000-8000-000000000001';

let service: S3Service | undefined;
let endpoint = '';
let buckets = 0;

describe('s3', { skip: NO_S3 }, () => {
  before(async () => {
    service = await startS3('first');
    ({ endpoint } = service);
  });
  after(() => service?.[Symbol.asyncDispose]());

  testStorage('s3', () => startBucket('some/folder'));

  describe('storage: s3, beyond the port', () => {
    it('keeps what is received as pieces, gives them back as one, and forgets what was never acknowledged', async () => {
      await using target = await startBucket('');
      const { partials } = createStorage(target.url);
      const segment = { epoch: 1, firstByte: 0 };
      const first = await partials.open(ID, segment);
      await first.write([Buffer.from('hello, ')], 0);
      await first.flush();
      await first.write([Buffer.from('never acknow')], 7);
      await first.flush();
      await first.write([Buffer.from('ledged')], 19);
      await first.flush();
      await first.close();
      const second = await partials.open(ID, segment);
      await second.write([Buffer.from('wor'), Buffer.from('ld')], 7);
      await second.flush();
      await second.write([Buffer.from('not flushed')], 12);
      await second.close();
      const third = await partials.open(ID, { epoch: 2, firstByte: 10 });
      await third.write([Buffer.from('LD!')], 10);
      await third.flush();
      await third.close();
      const whole = { id: ID, segments: [segment], sizeBytes: 12 };
      const text = async (...read: Parameters<typeof partials.read>) => Buffer.concat(await partials.read(...read).toArray()).toString();
      assert.equal(await text(whole), 'hello, world');
      assert.equal(await text(whole, { firstByte: 5, endByte: 9 }), ', wo');
      assert.equal(await text({ ...whole, segments: [segment, { epoch: 2, firstByte: 10 }], sizeBytes: 13 }), 'hello, worLD!');
      await assert.rejects(text({ ...whole, sizeBytes: 20 }), /lacks bytes/);
      assert.equal(await partials.publish(whole, 'a'), false);
      await partials.discard(ID);
      await partials.discard(ID);
      await assert.rejects(text(whole), /lacks bytes/);
    });

    it('sends what waits before it is asked to, and lists nothing of what is received', async () => {
      await using target = await startBucket('');
      const storage = createStorage(target.url);
      const writer = await storage.partials.open(ID, { epoch: 1, firstByte: 0 });
      const half = PIECE_BYTES / 2;
      await writer.write([Buffer.alloc(half, 'x')], 0);
      await writer.write([Buffer.alloc(half, 'x')], half);
      await writer.close();
      const read = storage.partials.read({ id: ID, segments: [{ epoch: 1, firstByte: 0 }], sizeBytes: PIECE_BYTES });
      assert.equal(Buffer.concat(await read.toArray()).length, PIECE_BYTES);
      await storage.put('a', pieces('x'));
      assert.deepEqual(
        (await storage.list()).objects.map(({ name }) => name),
        ['a'],
      );
    });

    it('gives a program a file for as long as it needs one', async () => {
      await using target = await startBucket('');
      const storage = createStorage(target.url);
      await storage.put('a', pieces('hello'));
      let path = '';
      {
        await using file = (await storage.openLocal('a')) ?? assert.fail('it is not there');
        ({ path } = file);
        assert.deepEqual([await readFile(path, 'utf8'), file.sizeBytes], ['hello', 5]);
      }
      assert.ok(!(await readdir(join(path, '..'))).some((name) => path.endsWith(name)));
      assert.equal(await storage.openLocal('none'), undefined);
    });

    it('says what is wrong with its URL, and takes no secrets there', () => {
      for (const [url, message] of [
        ['s3://', /must name a bucket/],
        ['s3://A_b', /must name a bucket/],
        ['s3://key:secret@bucket', /no secrets/],
        ['s3://bucket?regoin=x', /no regoin/],
        ['s3://bucket?endpoint=ftp://x', /http/],
        ['s3://bucket/a b', /letters, digits/],
      ] as const)
        assert.throws(() => createStorage(url), message, url);
    });

    it('tells a bucket that is not there from an object that is not', async () => {
      const storage = createStorage(`s3://no-such-bucket?endpoint=${endpoint}`);
      await assert.rejects(storage.put('a', pieces('x')), { name: 'NoSuchBucket' });
      await assert.rejects(storage.get('a'), { name: 'NoSuchBucket' });
    });
  });
});

async function startBucket(folder: string): Promise<StorageTarget> {
  buckets += 1;
  const bucket = `test-${process.pid}-${buckets}`;
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  return {
    url: `s3://${bucket}/${folder}?endpoint=${encodeURIComponent(endpoint)}`,
    async countTemporary() {
      // The emulator answers so where there is none at all.
      const none = (error: Error) => (error.name === 'NoSuchUpload' ? { Uploads: [] } : Promise.reject(error));
      return (await client.send(new ListMultipartUploadsCommand({ Bucket: bucket })).catch(none)).Uploads?.length ?? 0;
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
    },
  };
}
