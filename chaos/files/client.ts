// A client of its own process, which can be killed: uploads a file by tus-js-client, and goes on where an earlier one died.
//   node chaos/files/client.ts ENDPOINT FILE STATE   (the key is in CHAOS_KEY)
// STATE keeps the upload's address. Each line of its output is JSON: what was acknowledged, where it went on, and the end.
import { createReadStream, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import { Upload } from 'tus-js-client';

const [endpoint = '', file = '', state = ''] = process.argv.slice(2);
const RETRY_DELAYS = Array.from({ length: 400 }, () => 400);
const CHUNK_BYTES = 4 * 1024 * 1024;

const known = existsSync(state) ? readFileSync(state, 'utf8') : '';
const upload = new Upload(createReadStream(file) as never, {
  endpoint,
  headers: { Authorization: `Bearer ${process.env['CHAOS_KEY']}` },
  metadata: { filename: basename(file) },
  chunkSize: CHUNK_BYTES,
  retryDelays: RETRY_DELAYS,
  ...(known === '' ? {} : { uploadUrl: known }),
  onShouldRetry: () => true,
  onUploadUrlAvailable() {
    const descriptor = openSync(state, 'w');
    writeSync(descriptor, upload.url ?? '');
    fsyncSync(descriptor);
  },
  onChunkComplete: (_size, accepted) => say({ accepted }),
  onAfterResponse(request, response) {
    if (request.getMethod() === 'HEAD' && response.getStatus() === 200) say({ resumed: Number(response.getHeader('Upload-Offset')) });
  },
  onSuccess: () => say({ done: upload.url }),
  onError(error) {
    say({ error: error.message });
    process.exit(1);
  },
});
upload.start();

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
