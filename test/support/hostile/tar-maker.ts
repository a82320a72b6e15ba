export interface MadeTarEntry {
  readonly name: string | Buffer;
  readonly data?: Buffer | string;
  readonly type?: string;
  readonly linkTo?: string;
  /** As the header says; else the truth. */
  readonly size?: string | Buffer;
  readonly hasWrongChecksum?: boolean;
}

const BLOCK_BYTES = 512;

/** Writes a tar, without its end when told so. */
export function makeTar(entries: readonly MadeTarEntry[], hasEnd = true): Buffer {
  const parts = entries.flatMap((entry) => {
    const data = Buffer.from(entry.data ?? '');
    return [headerOf(entry, data.length), data, Buffer.alloc((BLOCK_BYTES - (data.length % BLOCK_BYTES)) % BLOCK_BYTES)];
  });
  return Buffer.concat([...parts, hasEnd ? Buffer.alloc(2 * BLOCK_BYTES) : Buffer.alloc(0)]);
}

/** A PAX record says its own length. */
export function paxRecord(key: string, value: string): string {
  const body = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(body);
  while (Buffer.byteLength(String(length) + body) !== length) length += 1;
  return String(length) + body;
}

function headerOf({ name, type = '0', linkTo = '', size, hasWrongChecksum = false }: MadeTarEntry, dataBytes: number): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  Buffer.from(name).copy(header, 0, 0, 100);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  Buffer.from(size ?? `${dataBytes.toString(8).padStart(11, '0')}\0`).copy(header, 124, 0, 12);
  header.write('00000000000\0', 136);
  header.write(type, 156);
  header.write(linkTo, 157);
  header.write('ustar\0', 257);
  header.write('00', 263);
  header.write('        ', 148);
  const sum = header.reduce((total, byte) => total + byte, 0) + (hasWrongChecksum ? 1 : 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}
