import { inflateSync, constants } from 'node:zlib';
import type { Inspection } from './inspection.ts';
import type { ByteSource } from './source.ts';

const WINDOW_BYTES = 8 * 1024 * 1024;
const OVERLAP_BYTES = 64 * 1024;
const MAX_OBJECT_STREAM_BYTES = 16 * 1024 * 1024;
const DICTIONARY_BYTES = 2048;
const TAIL_BYTES = 2048;

/** Looks for what runs, in a PDF's plain objects and in those that are packed. */
export async function checkPdf(source: ByteSource, inspection: Inspection): Promise<void> {
  const tail = (await source.read(Math.max(0, source.sizeBytes - TAIL_BYTES), TAIL_BYTES)).toString('latin1');
  if (!tail.includes('%%EOF')) inspection.add('truncated', 'no %%EOF');
  const end = Math.min(source.sizeBytes, inspection.limits.maxScannedBytes);
  for (let at = 0; at < end; at += WINDOW_BYTES) {
    const window = await source.read(at, Math.min(WINDOW_BYTES + OVERLAP_BYTES, end - at));
    lookAt(window, inspection);
  }
}

function lookAt(window: Buffer, inspection: Inspection): void {
  let from = 0;
  while (from < window.length) {
    const keyword = window.indexOf('stream', from, 'latin1');
    const until = keyword === -1 ? window.length : keyword;
    judge(window.toString('latin1', from, until), inspection);
    if (keyword === -1) return;
    const isEnd = window.toString('latin1', keyword - 3, keyword) === 'end';
    const content = keyword + 'stream'.length;
    if (isEnd) {
      from = content;
      continue;
    }
    const dictionary = names(window.toString('latin1', Math.max(from, keyword - DICTIONARY_BYTES), keyword));
    const closed = window.indexOf('endstream', content, 'latin1');
    const body = window.subarray(content, closed === -1 ? window.length : closed);
    // Nobody but readers of PDF needs to be fooled by a stream that is none: these two are looked for everywhere.
    judgeLong(names(body.toString('latin1')), inspection);
    if (dictionary.includes('/ObjStm')) judge(inflated(body, inspection), inspection);
    from = closed === -1 ? window.length : closed;
  }
}

/** Objects that are packed together. */
function inflated(body: Buffer, inspection: Inspection): string {
  const start = body[0] === 0x0d ? 2 : 1;
  try {
    const options = { maxOutputLength: MAX_OBJECT_STREAM_BYTES, finishFlush: constants.Z_SYNC_FLUSH };
    const bytes = inflateSync(body.subarray(start), options);
    inspection.countInflated({ more: bytes.length, unpacked: bytes.length, packed: body.length });
    return bytes.toString('latin1');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE')
      inspection.refuse('archive_bomb', 'objects of the PDF');
    if (error instanceof Error && error.name === 'Refusal') throw error;
    // Packed in another way, or encrypted; readers that we know of take no scripts from there.
    return '';
  }
}

function judge(text: string, inspection: Inspection): void {
  const plain = names(text);
  judgeLong(plain, inspection);
  if (/\/JS[\s(<[/]/.test(plain)) inspection.add('pdf_javascript');
  if (
    /\/(?:RichMedia|Movie|Sound|ImportData|SubmitForm)\b/.test(plain) &&
    /\/S\s*\/(?:RichMedia|Movie|Sound|ImportData|SubmitForm)|\/RichMedia/.test(plain)
  )
    inspection.add('pdf_launch', 'active media or forms');
  if (/\/Encrypt\s+\d+\s+\d+\s+R|\/Encrypt\s*<</.test(plain)) inspection.add('pdf_encrypted');
}

function judgeLong(plain: string, inspection: Inspection): void {
  if (plain.includes('/JavaScript')) inspection.add('pdf_javascript');
  if (/\/Launch\b/.test(plain)) inspection.add('pdf_launch');
}

/** Any character of a name may be written as #xx. */
function names(text: string): string {
  return text.includes('#')
    ? text.replaceAll(/#([0-9a-f]{2})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
    : text;
}
