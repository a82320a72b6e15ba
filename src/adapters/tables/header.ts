import { RecordScanner } from '../record-scanner.ts';

const QUOTE = '"';
const CANDIDATES = [',', ';', '\t', '|'] as const;
const LOOKED_AT = 20;
const MAX_NAME_CHARS = 255;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** The first records of a text as they are written, blank ones left out, with where each begins and how many lines come before it. */
export interface RawRecord {
  readonly text: string;
  readonly endByte: number;
  readonly endLines: number;
}

export function firstRecords(bytes: Buffer, delimiter: string): readonly RawRecord[] {
  const scanner = new RecordScanner({ delimiters: [delimiter.charCodeAt(0)] });
  const records: RawRecord[] = [];
  let from = 0;
  for (let at = 0; ;) {
    const isOver = at === bytes.length;
    const next = isOver ? at : stopAfter(bytes, at);
    scanner.take(bytes.subarray(at, next));
    at = next;
    const end = isOver ? bytes.length : scanner.recordEnd;
    if (end > from) {
      const text = bytes.toString('utf8', from, end).replace(/[\r\n]+$/, '');
      if (text !== '') records.push({ text, endByte: end, endLines: scanner.recordLines });
      from = end;
    }
    if (isOver || records.length === LOOKED_AT) return records;
  }
}

/** After the next LF or CR, or the one byte after a CR, which tells whether that was an end: the scanner tells but the last end of a piece. */
function stopAfter(bytes: Buffer, from: number): number {
  if (from > 0 && bytes[from - 1] === RETURN) return from + 1;
  let at = from;
  while (at < bytes.length && bytes[at] !== NEWLINE && bytes[at] !== RETURN) at += 1;
  return Math.min(bytes.length, at + 1);
}

/** The delimiter by which most of the first records have as many fields as the first of all. */
export function guessDelimiter(bytes: Buffer): string {
  let best = { delimiter: ',', same: 0, fields: 1 };
  for (const delimiter of CANDIDATES) {
    const counts = firstRecords(bytes, delimiter).map(({ text }) => fieldsOf(text, delimiter).length);
    const fields = counts[0] ?? 0;
    const same = counts.filter((count) => count === fields).length;
    const isBetter = fields > 1 && (best.fields === 1 || same > best.same || (same === best.same && fields > best.fields));
    if (isBetter) best = { delimiter, same, fields };
  }
  return best.delimiter;
}

/** Fields of one record. */
export function fieldsOf(record: string, delimiter: string): readonly string[] {
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    let field = '';
    if (record[at] === QUOTE) {
      at += 1;
      for (;;) {
        const end = record.indexOf(QUOTE, at);
        if (end === -1) return [...fields, field + record.slice(at)];
        field += record.slice(at, end);
        at = end + 1;
        if (record[at] !== QUOTE) break;
        field += QUOTE;
        at += 1;
      }
    }
    const end = record.indexOf(delimiter, at);
    field += record.slice(at, end === -1 ? record.length : end);
    fields.push(field);
    if (end === -1) return fields;
    at = end + 1;
  }
}

/** Names of columns, each once, whatever the header says. */
export function columnNames(fields: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  return fields.map((field, index) => {
    const base = field.trim().slice(0, MAX_NAME_CHARS) || `column${index}`;
    let name = base;
    for (let copy = 1; seen.has(name.toLowerCase()); copy += 1) name = `${base}_${copy}`;
    seen.add(name.toLowerCase());
    return name;
  });
}
