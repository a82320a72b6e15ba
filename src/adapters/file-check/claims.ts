import type { Inspection } from './inspection.ts';
import { markupOf } from './markup.ts';
import { groupOfExtension, groupOfType, type TypeGroup } from '../../contracts/files/types.ts';
import type { ZipFacts } from './zip.ts';

const PLAIN = 'text/plain';
/** Texts that may begin with markup and still be what their name says. */
const MAY_HOLD_MARKUP: ReadonlySet<string> = new Set([
  'image/svg+xml',
  'text/html',
  'application/xml',
  'text/markdown',
  'text/javascript',
  'text/css',
]);
const OPEN_XML_MAIN = /ContentType\s*=\s*"(application\/vnd\.[a-z0-9.-]+?)(?:\.main)?\+xml"/gi;
const MACRO_KINDS = [
  ['word', 'application/vnd.ms-word.document.macroenabled.12'],
  ['excel', 'application/vnd.ms-excel.sheet.macroenabled.12'],
  ['powerpoint', 'application/vnd.ms-powerpoint.presentation.macroenabled.12'],
] as const;

interface Claims {
  readonly extension: string;
  readonly declaredType?: string | undefined;
  /** What the content is. */
  readonly type: string;
  readonly isText: boolean;
}

/** Name, declared type and content must tell the same. What claims nothing is not held against anything. */
export function checkClaims({ extension, declaredType, type, isText }: Claims, inspection: Inspection): void {
  const content = groupOfType(type);
  const byExtension = groupOfExtension(extension);
  if (byExtension !== undefined && byExtension !== content && !isCompressedTable(extension, type))
    inspection.add('extension_mismatch', `the content is ${type}`);
  const byType = declaredType === undefined ? undefined : groupOfType(declaredType);
  const isPlainClaim = isText && byType?.types[0] === PLAIN;
  const isXmlClaim = byType?.types[0] === 'application/xml' && (type === 'image/svg+xml' || type === 'text/html');
  if (byType !== undefined && byType !== content && !isPlainClaim && !isXmlClaim && !claims(content, declaredType ?? ''))
    inspection.add('declared_type_mismatch', `the content is ${type}`);
}

/** Some types are declared for more than one sort of content, such as the spreadsheet program's for tables. */
function claims(content: TypeGroup | undefined, declared: string): boolean {
  return content?.types.includes(declared.toLowerCase()) === true;
}

function isCompressedTable(extension: string, type: string): boolean {
  return extension === 'tgz' && type === 'application/gzip';
}

/** The type of a text: by what it begins with, or else by its name. */
export function typeOfText(text: string, extension: string): string {
  const markup = markupOf(text);
  const named = groupOfExtension(extension);
  const byName = named?.isText === true ? named.types[0] : undefined;
  if (markup !== undefined && (byName === undefined || !MAY_HOLD_MARKUP.has(byName)))
    return { html: 'text/html', svg: 'image/svg+xml', xml: 'application/xml' }[markup];
  if (byName === 'image/svg+xml' && markup !== 'svg') return markup === 'html' ? 'text/html' : PLAIN;
  if (byName === 'application/xml' && markup === 'html') return 'text/html';
  const looksLikeJson = /^\ufeff?\s*(?:[[{"\d-]|true|false|null)/.test(text);
  if ((byName === 'application/json' || byName === 'application/x-ndjson') && !looksLikeJson) return PLAIN;
  return byName ?? PLAIN;
}

/** Office documents, books and programs are zips that say so inside. */
export function typeOfZip(facts: ZipFacts | undefined): string {
  if (facts === undefined) return 'application/zip';
  const { names, mimetype, contentTypes } = facts;
  if (mimetype !== undefined && groupOfType(mimetype.trim()) !== undefined) return mimetype.trim();
  if (names.includes('AndroidManifest.xml')) return 'application/vnd.android.package-archive';
  if (contentTypes !== undefined) {
    const mains = [...contentTypes.matchAll(OPEN_XML_MAIN)].map((match) => match[1] ?? '');
    const macro = /vnd\.ms-(word|excel|powerpoint)[^"]*macroEnabled/i.exec(contentTypes)?.[1]?.toLowerCase();
    const macroType = MACRO_KINDS.find(([program]) => program === macro)?.[1];
    const plain = mains.find((type) => groupOfType(type) !== undefined);
    const found = macroType ?? plain;
    if (found !== undefined) return found;
  }
  return names.includes('META-INF/MANIFEST.MF') ? 'application/java-archive' : 'application/zip';
}
