import type { Inspection } from './inspection.ts';
import { encodingOf } from './text.ts';

/** Pages and drawings are small; what is larger is read in pieces that overlap by this much. */
const OVERLAP_CHARS = 4096;
const ELEMENTS =
  /<\s*(?:[a-z0-9]+:)?(?:script|foreignobject|iframe|embed|object|applet|frame|frameset|base|meta[^>]{0,200}http-equiv|handler|set\b[^>]{0,200}attributename\s*=\s*["']?(?:on|href|xlink)|animate\b[^>]{0,200}attributename\s*=\s*["']?(?:on|href|xlink))/i;
const HANDLERS = /<[^<>]{0,4000}[\s"'/]on[a-z]{3,30}\s*=/i;
const URLS = /(?:javascript|vbscript|livescript|mocha)\s*:|data\s*:\s*(?:text\/html|image\/svg|application\/(?:xhtml|xml)|text\/xml)/i;
const REMOTE_USE = /<\s*(?:[a-z0-9]+:)?use\b[^>]{0,400}href\s*=\s*["']?\s*(?:https?:|\/\/|data:)/i;
const STYLES = /<\?xml-stylesheet|expression\s*\(|-moz-binding|behavior\s*:\s*url/i;
const ENTITIES = /<!ENTITY|<!DOCTYPE[^>[]{0,400}\[/i;

export type Markup = 'html' | 'svg' | 'xml';

/** What markup a text begins with. */
export function markupOf(text: string): Markup | undefined {
  const start = text
    .replace(/^\ufeff/, '')
    .replace(/^(?:\s|<\?[^>]{0,1000}\?>|<!--[\s\S]{0,4000}?-->)+/, '')
    .slice(0, 2000);
  if (/^<!doctype\s+html|^<(?:html|head|body|script|iframe)\b/i.test(start)) return 'html';
  if (/^(?:<!doctype\s+svg[\s\S]*?)?<(?:[a-z0-9]+:)?svg\b/i.test(start) || /^<!doctype\s+svg/i.test(start)) return 'svg';
  return /^\s*<\?xml\b/i.test(text.replace(/^\ufeff/, '')) || /^<!doctype|^<!ENTITY/i.test(start) ? 'xml' : undefined;
}

/** Looks for what runs or loads in a page, a drawing or other XML. */
export class MarkupScan {
  readonly #markup: Markup;
  readonly #inspection: Inspection;
  readonly #decoder: InstanceType<typeof TextDecoder>;
  #rest = '';

  constructor(markup: Markup, head: Buffer, inspection: Inspection) {
    this.#markup = markup;
    this.#inspection = inspection;
    this.#decoder = new TextDecoder(encodingOf(head));
  }

  take(chunk: Uint8Array): void {
    const text = this.#rest + this.#decoder.decode(chunk, { stream: true });
    this.#look(text);
    this.#rest = text.slice(-OVERLAP_CHARS);
  }

  #look(text: string): void {
    if (this.#markup !== 'html' && ENTITIES.test(text)) this.#inspection.add('xml_entities');
    // As programs read it: references stand for characters, and controls in addresses for nothing.
    const plain = references(text).replaceAll(/(?![\t\n\r])\p{Cc}/gu, '');
    const isActive =
      [ELEMENTS, HANDLERS, REMOTE_USE, STYLES].some((pattern) => pattern.test(plain)) || URLS.test(plain.replaceAll(/[\t\r\n]/g, ''));
    if (isActive && this.#markup === 'html') this.#inspection.add('html_script');
    // Other XML is a drawing or a page where a part of it says so.
    else if (isActive && (this.#markup === 'svg' || /www\.w3\.org\/(?:2000\/svg|1999\/xhtml)/i.test(text)))
      this.#inspection.add('svg_script');
  }
}

function references(text: string): string {
  return text
    .replaceAll(/&#x([0-9a-f]{1,6});?/gi, (_, digits: string) => character(Number.parseInt(digits, 16)))
    .replaceAll(/&#(\d{1,7});?/g, (_, digits: string) => character(Number(digits)))
    .replaceAll(/&(colon|tab|newline|lpar|rpar);/gi, (_, name: string) => ({ colon: ':', lpar: '(', rpar: ')' })[name.toLowerCase()] ?? '');
}

function character(code: number): string {
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '';
}
