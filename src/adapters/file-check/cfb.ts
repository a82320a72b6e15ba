import type { Inspection } from './inspection.ts';
import type { ByteSource } from './source.ts';

const utf16 = (text: string): Buffer => Buffer.from(text, 'utf16le');
const MACROS = [utf16('_VBA_PROJECT'), utf16('VBA_PROJECT_CUR'), utf16('_VBA_PROJECT_CUR'), utf16('Macros')];
const ENCRYPTED = utf16('EncryptedPackage');
const OVERLAP_BYTES = 64;

/** The office formats before 2007, and encrypted ones since: names of their parts are in UTF-16. */
export async function checkCompound(source: ByteSource, inspection: Inspection): Promise<void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of source.stream(0, inspection.limits.maxScannedBytes)) {
    const bytes = Buffer.concat([rest, chunk]);
    if (MACROS.some((name) => bytes.includes(name))) inspection.add('office_macros');
    if (bytes.includes(ENCRYPTED)) inspection.add('office_encrypted');
    rest = bytes.subarray(-OVERLAP_BYTES);
  }
}
