import type { Inspection } from './inspection.ts';
import { findZipEnd } from './zip-directory.ts';
import type { ByteSource } from './source.ts';

const TAIL_BYTES = 64;
const SCAN_BYTES = 4096;
const EXIF_BYTES = 65_536;
const GIF_END = 0x3b;
const JPEG_END = Buffer.from([0xff, 0xd9]);

/** How large the image says that it is, whether its end is there, and whether it is something else too. */
export async function checkImage(source: ByteSource, type: string, inspection: Inspection): Promise<void> {
  const head = await source.read(0, Math.min(source.sizeBytes, 512 * 1024));
  const size = sizeOf(type, head);
  if (size !== undefined && size.width * size.height > inspection.limits.maxPixels)
    inspection.add('image_too_large', `${size.width} × ${size.height} pixels`);
  const tail = await source.read(Math.max(0, source.sizeBytes - TAIL_BYTES), TAIL_BYTES);
  if (isCutOff(type, tail) || (type === 'image/jpeg' && !(await hasEnd(source, inspection)))) inspection.add('truncated');
  const text = head.toString('latin1', 0, SCAN_BYTES) + tail.toString('latin1');
  if (/<\?php|<script\b|<!doctype\s+html|<html\b/i.test(text)) inspection.add('polyglot', 'a page or a script');
}

/** A zip at the end, or a PDF near the beginning, of something else. */
export async function checkSecondType(source: ByteSource, head: Buffer, inspection: Inspection): Promise<void> {
  const end = await findZipEnd(source);
  if (end !== undefined && (await hasDirectory(source, end))) inspection.add('polyglot', 'an archive at its end');
  const pdf = head.subarray(0, 1024).indexOf('%PDF-', 0, 'latin1');
  if (pdf > 0) inspection.add('polyglot', 'a PDF');
}

/** The end of an archive of no entries is 22 bytes that anything may hold by chance; one with entries has their directory before it. */
async function hasDirectory(source: ByteSource, end: { readonly offset: number; readonly record: Buffer }): Promise<boolean> {
  const at = end.offset - end.record.readUInt32LE(12);
  if (at < 0 || end.record.readUInt16LE(10) === 0) return false;
  const start = await source.read(at, 4);
  return start.length === 4 && start.readUInt32LE(0) === 0x02014b50;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

function sizeOf(type: string, head: Buffer): Size | undefined {
  if (type === 'image/png' && head.length >= 24) return { width: head.readUInt32BE(16), height: head.readUInt32BE(20) };
  if (type === 'image/gif' && head.length >= 10) return { width: head.readUInt16LE(6), height: head.readUInt16LE(8) };
  if (type === 'image/bmp' && head.length >= 26) return { width: Math.abs(head.readInt32LE(18)), height: Math.abs(head.readInt32LE(22)) };
  if (type === 'image/webp' && head.length >= 30) return webpSize(head);
  return type === 'image/jpeg' ? jpegSize(head) : undefined;
}

function webpSize(head: Buffer): Size | undefined {
  switch (head.toString('latin1', 12, 16)) {
    case 'VP8X':
      return { width: head.readUIntLE(24, 3) + 1, height: head.readUIntLE(27, 3) + 1 };
    case 'VP8 ':
      return { width: head.readUInt16LE(26) & 0x3fff, height: head.readUInt16LE(28) & 0x3fff };
    default:
      return undefined;
  }
}

/** Goes from marker to marker until the frame. */
function jpegSize(head: Buffer): Size | undefined {
  for (let at = 2; at + 9 < head.length && at < EXIF_BYTES * 8;) {
    if (head[at] !== 0xff) return undefined;
    const marker = head[at + 1] ?? 0;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) return { height: head.readUInt16BE(at + 5), width: head.readUInt16BE(at + 7) };
    at += marker === 0xff ? 1 : 2 + head.readUInt16BE(at + 2);
  }
  return undefined;
}

/** Only where the end is unmistakable. */
function isCutOff(type: string, tail: Buffer): boolean {
  if (type === 'image/png') return !tail.includes('IEND', 0, 'latin1');
  return type === 'image/gif' && !tail.includes(GIF_END);
}

/** Anywhere after the head, which may hold a small picture with an end of its own: telephones append videos. */
async function hasEnd(source: ByteSource, inspection: Inspection): Promise<boolean> {
  const start = Math.min(EXIF_BYTES, Math.floor(source.sizeBytes / 2));
  let last = 0;
  for await (const chunk of source.stream(start, inspection.limits.maxScannedBytes)) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (bytes.includes(JPEG_END) || (last === JPEG_END[0] && bytes[0] === JPEG_END[1])) return true;
    last = bytes.at(-1) ?? 0;
  }
  return false;
}
