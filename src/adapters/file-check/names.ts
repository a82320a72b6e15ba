import type { Inspection } from './inspection.ts';

const MAX_NAME_BYTES = 255;
const MAX_ENTRY_PATH_BYTES = 4096;
/** Control characters; those that turn the direction of text, hide or join; halves of surrogate pairs and what stands for unreadable. */
const BAD = /[\p{Cc}\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff]|\p{Cs}/u;
const RESERVED = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])(?:\.|$)/i;
const FORBIDDEN = /[<>:"|?*]/;

/** What a file may not be called, wherever it may be unpacked or saved later. */
export function checkFileName(name: string, inspection: Inspection): void {
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) inspection.add('name_too_long');
  if (BAD.test(name) || !name.isWellFormed()) inspection.add('name_bad_characters');
  if (/[/\\]/.test(name) || /^[a-z]:/i.test(name) || name === '.' || name === '..') inspection.add('name_path');
  else if (FORBIDDEN.test(name)) inspection.add('name_bad_characters');
  if (RESERVED.test(name) || /[. ]$/.test(name)) inspection.add('name_reserved');
  if (name.isWellFormed() && name.normalize('NFC') !== name) inspection.add('name_not_normal');
}

/** Small letters, without the dot; empty when there is none. */
export function extensionOf(name: string): string {
  return /[^./\\]\.([^./\\]+)$/.exec(name)?.[1]?.toLowerCase() ?? '';
}

/** Names of entries, each of which must stay in its folder and be there once. */
export class EntryNames {
  readonly #seen = new Set<string>();
  readonly #inspection: Inspection;

  constructor(inspection: Inspection) {
    this.#inspection = inspection;
  }

  add(name: string): void {
    const path = name.replaceAll('\\', '/');
    if (path === '' || BAD.test(path) || !path.isWellFormed() || Buffer.byteLength(path) > MAX_ENTRY_PATH_BYTES)
      this.#inspection.add('archive_bad_name');
    if (path.startsWith('/') || /^[a-z]:/i.test(path)) this.#inspection.add('archive_absolute_path');
    const parts = path.split('/');
    if (parts.includes('..')) this.#inspection.add('archive_path_escape');
    if (parts.some((part) => RESERVED.test(part) || Buffer.byteLength(part) > MAX_NAME_BYTES)) this.#inspection.add('archive_bad_name');
    // As systems see it that know no case and no forms of Unicode.
    const key = parts
      .filter((part) => part !== '' && part !== '.')
      .join('/')
      .normalize('NFC')
      .toLowerCase();
    if (this.#seen.has(key) && key !== '') this.#inspection.add('archive_duplicate_name');
    this.#seen.add(key);
  }
}
