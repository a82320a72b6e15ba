import { archiveSortOf } from './archive-sort.ts';
import type { Inspection } from './inspection.ts';
import { bufferSource } from './source.ts';

const HEAD_BYTES = 4096;
const MAX_TEXT_BYTES = 256 * 1024;
const MACROS = /(?:^|\/)(?:vbaproject\.bin|vbadata\.xml|macrosheets\/[^/]+)$/i;
const ODF_MACROS = /^(?:basic|scripts)\/.+/i;
const ACTIVE = /(?:^|\/)activex\/[^/]+\.bin$/i;
const REMOTE =
  /(?:attachedTemplate|oleObject|frame)"[^>]*TargetMode\s*=\s*"External"|TargetMode\s*=\s*"External"[^>]*(?:attachedTemplate|oleObject|frame)"/i;

/** Follows one entry while it is unpacked. */
export interface EntryWatch {
  take(chunk: Uint8Array): void;
  /** Looks at what only the whole shows. */
  end(): Promise<void>;
  /** Of the few entries whose text says what the whole file is. */
  readonly text: string | undefined;
}

export function watchEntry(name: string, inspection: Inspection, depth: number): EntryWatch {
  const isText = name === 'mimetype' || name === '[Content_Types].xml' || name.endsWith('.rels');
  const kept: Buffer[] = [];
  let keptBytes = 0;
  let keepBytes = isText ? MAX_TEXT_BYTES : HEAD_BYTES;
  let isArchive: boolean | undefined;
  if (MACROS.test(name) || ODF_MACROS.test(name)) inspection.add('office_macros');
  if (ACTIVE.test(name)) inspection.add('office_active_content', 'a control');

  function judge(): void {
    isArchive ??= archiveSortOf(Buffer.concat(kept)) !== undefined;
    if (!isArchive) return;
    if (depth + 1 > inspection.limits.maxDepth)
      inspection.refuse('archive_nested_too_deep', `more than ${inspection.limits.maxDepth} deep`);
    keepBytes = inspection.limits.maxNestedBytes + 1;
  }

  return {
    take(chunk) {
      if (keptBytes < keepBytes) {
        const part = Buffer.from(chunk.subarray(0, keepBytes - keptBytes));
        kept.push(part);
        keptBytes += part.length;
        if (isArchive === undefined && keptBytes >= HEAD_BYTES) {
          judge();
          if (isArchive === true && part.length < chunk.length) {
            const rest = Buffer.from(chunk.subarray(part.length));
            kept.push(rest);
            keptBytes += rest.length;
          }
        }
      }
      if (isArchive === true && keptBytes > inspection.limits.maxNestedBytes)
        inspection.refuse('archive_nested_too_deep', 'an archive in the archive is too large');
    },
    async end() {
      judge();
      const bytes = Buffer.concat(kept);
      if (isArchive === true) {
        const sort = archiveSortOf(bytes);
        if (sort !== undefined) await inspection.lookInto({ source: bufferSource(bytes), sort, depth: depth + 1 });
        return;
      }
      checkParts(name, bytes.toString('latin1'), inspection);
    },
    get text() {
      return isText && keptBytes < MAX_TEXT_BYTES ? Buffer.concat(kept).toString('utf8') : undefined;
    },
  };
}

function checkParts(name: string, text: string, inspection: Inspection): void {
  if (/\.(?:xml|rels|svg)$/i.test(name) && /<!ENTITY|<!DOCTYPE[^>]*\[/i.test(text))
    inspection.add('xml_entities', 'in a part of the document');
  if (name === '[Content_Types].xml' && /macroEnabled/i.test(text)) inspection.add('office_macros');
  if (name.endsWith('.rels') && REMOTE.test(text)) inspection.add('office_active_content', 'loaded from elsewhere');
}
