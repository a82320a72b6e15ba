import { fileTypeFromBuffer } from 'file-type';
import { RecordScanner } from '../record-scanner.ts';
import { checkArchive } from './archive.ts';
import { archiveSortOf } from './archive-sort.ts';
import { checkCompound } from './cfb.ts';
import { checkImage, checkSecondType } from './image.ts';
import { type CheckLimits, type Finding, Inspection, Refusal } from './inspection.ts';
import { markupOf, MarkupScan } from './markup.ts';
import { checkFileName, extensionOf } from './names.ts';
import { checkPdf } from './pdf.ts';
import { type ByteSource, SourceError } from './source.ts';
import { decoded, isText, JsonDepth, TextReading } from './text.ts';
import { checkClaims, typeOfText, typeOfZip } from './claims.ts';
import { OCTETS, PROGRAM_EXTENSIONS, PROGRAM_TYPES } from '../../contracts/files/types.ts';

const HEAD_BYTES = 64 * 1024;
/** Texts for which another detector has a name of its own. */
const TEXT_TYPES: ReadonlySet<string> = new Set(['application/xml', 'text/calendar', 'text/vcard', 'text/vtt', 'image/svg+xml']);
const RUNNING_TYPES: ReadonlySet<string> = new Set(['text/html', 'application/xhtml+xml', 'image/svg+xml']);
const PACKED_TYPES = { tar: 'application/x-tar', gzip: 'application/gzip', zstd: 'application/zstd' } as const;

export interface FileToCheck {
  readonly source: ByteSource;
  /** Empty when it has none. */
  readonly fileName: string;
  readonly declaredType?: string | undefined;
}

export interface Checked {
  /** Media type that the content has, as far as anybody can tell. */
  readonly type: string;
  /** Why the file is not accepted; empty when it is. */
  readonly findings: readonly Finding[];
}

/** Looks at a file from all sides. Never throws for what is in the file; only for a source that can't be read. */
export async function checkContent(file: FileToCheck, limits: CheckLimits): Promise<Checked> {
  const inspection = new Inspection(limits);
  inspection.lookInto = async (found) => {
    await checkArchive({ ...found, inspection });
  };
  let type = OCTETS;
  try {
    if (file.fileName !== '') checkFileName(file.fileName, inspection);
    if (file.source.sizeBytes === 0) inspection.add('empty_file');
    else {
      await look(file, inspection, (found) => {
        type = found;
      });
    }
  } catch (error) {
    if (error instanceof SourceError) throw error;
    // Readers that meet what nobody thought of: the file is not one to let through.
    if (!(error instanceof Refusal)) inspection.add('check_failed', error instanceof Error ? error.name : undefined);
  }
  return { type, findings: inspection.findings };
}

async function look(
  { source, fileName, declaredType }: FileToCheck,
  inspection: Inspection,
  onType: (type: string) => void,
): Promise<void> {
  const head = await source.read(0, Math.min(HEAD_BYTES, source.sizeBytes));
  const extension = extensionOf(fileName);
  const sort = archiveSortOf(head);
  const claims = { extension, declaredType };
  if (PROGRAM_EXTENSIONS.has(extension)) inspection.add('executable', 'by its extension');
  if (sort !== 'zip') await checkSecondType(source, head, inspection);
  if (sort !== undefined && sort !== 'zip' && sort !== 'closed') {
    onType(PACKED_TYPES[sort]);
    checkClaims({ ...claims, type: PACKED_TYPES[sort], isText: false }, inspection);
  }
  if (sort === 'zip') {
    onType('application/zip');
    const facts = await checkArchive({ source, sort, inspection, depth: 1 });
    const type = typeOfZip(facts);
    onType(type);
    if (PROGRAM_TYPES.has(type)) inspection.add('executable', type);
    checkClaims({ ...claims, type, isText: false }, inspection);
  } else if (sort === undefined || sort === 'closed') {
    const type = await contentType(head, extension);
    onType(type.type);
    if (PROGRAM_TYPES.has(type.type)) inspection.add('executable', type.type);
    checkClaims({ ...claims, ...type }, inspection);
    await checkByType({ source, head, ...type }, inspection);
  }
  if (sort !== undefined && sort !== 'zip') await checkArchive({ source, sort, inspection, depth: 1 });
}

interface ContentType {
  readonly type: string;
  readonly isText: boolean;
}

async function contentType(head: Buffer, extension: string): Promise<ContentType> {
  const found = await fileTypeFromBuffer(head).catch(() => undefined);
  const isPlain = isText(head) && (found === undefined || TEXT_TYPES.has(found.mime));
  if (isPlain) return { type: typeOfText(decoded(head), extension), isText: true };
  return { type: found?.mime ?? OCTETS, isText: false };
}

interface Typed extends ContentType {
  readonly source: ByteSource;
  readonly head: Buffer;
}

async function checkByType({ source, head, type, isText: isTextual }: Typed, inspection: Inspection): Promise<void> {
  if (type === 'application/pdf') return checkPdf(source, inspection);
  if (type === 'application/x-cfb') return checkCompound(source, inspection);
  if (type.startsWith('image/') && !isTextual) return checkImage(source, type, inspection);
  if (!isTextual) return;
  const scan = scanOf(type, head, inspection);
  if (scan === undefined) return;
  const reading = new TextReading(inspection);
  for await (const chunk of source.stream(0, inspection.limits.maxScannedBytes)) {
    scan(chunk);
    // What browsers run is read to its end.
    if (!RUNNING_TYPES.has(type) && reading.isEnough(chunk)) return;
  }
}

/** What a text is read through for. */
function scanOf(type: string, head: Buffer, inspection: Inspection): ((chunk: Uint8Array) => void) | undefined {
  const markup = markupOf(decoded(head));
  if (markup !== undefined) {
    const scan = new MarkupScan(type === 'image/svg+xml' ? 'svg' : markup, head, inspection);
    return (chunk) => scan.take(chunk);
  }
  if (type === 'application/json' || type === 'application/x-ndjson') {
    const scan = new JsonDepth(inspection);
    return (chunk) => scan.take(chunk);
  }
  if (type !== 'text/csv' && type !== 'text/tab-separated-values') return undefined;
  const scanner = new RecordScanner();
  const { maxRecordBytes } = inspection.limits;
  return (chunk) => {
    scanner.take(chunk);
    if (scanner.offset - scanner.recordEnd > maxRecordBytes) inspection.refuse('csv_record_too_long', `more than ${maxRecordBytes} bytes`);
  };
}
