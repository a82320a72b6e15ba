/** Archives and packed streams that are known by their first bytes. */
export type ArchiveSort = 'zip' | 'tar' | 'gzip' | 'zstd' | 'closed';

const TAR_MAGIC_OFFSET = 257;
const TAR_CHECKSUM_OFFSET = 148;
const BLOCK_BYTES = 512;
/** 7z, rar, bzip2, xz, lzip, cab, ar, arj, compress: their content can't be looked into here. */
const CLOSED = ['377abcaf271c', '526172211a07', '425a68', 'fd377a585a00', '4c5a4950', '4d534346', '213c617263683e0a', '60ea', '1f9d'];

/** What the head of a file, of up to 512 bytes or more, says. `closed`: an archive of a sort that can't be looked into. */
export function archiveSortOf(head: Buffer): ArchiveSort | undefined {
  if (head.length >= 4 && head.readUInt16BE(0) === 0x504b && [0x0304, 0x0506, 0x0708].includes(head.readUInt16BE(2))) return 'zip';
  if (head.length >= 3 && head.readUInt16BE(0) === 0x1f8b && head[2] === 8) return 'gzip';
  if (head.length >= 4 && head.readUInt32LE(0) === 0xfd2fb528) return 'zstd';
  if (isTar(head)) return 'tar';
  const hex = head.subarray(0, 8).toString('hex');
  return CLOSED.some((magic) => hex.startsWith(magic)) && !isTextual(head) ? 'closed' : undefined;
}

/** Old tars have no magic; their checksum tells. */
export function isTar(block: Buffer): boolean {
  if (block.length < BLOCK_BYTES) return false;
  const magic = block.toString('latin1', TAR_MAGIC_OFFSET, TAR_MAGIC_OFFSET + 5);
  return magic === 'ustar' || (block[0] !== 0 && hasTarChecksum(block));
}

/** The sum of all bytes, its own field taken as spaces. */
export function hasTarChecksum(block: Buffer): boolean {
  const said = Number.parseInt(block.toString('latin1', TAR_CHECKSUM_OFFSET, TAR_CHECKSUM_OFFSET + 8).replaceAll(/[\0 ]/g, ''), 8);
  let sum = 8 * 0x20;
  for (let at = 0; at < BLOCK_BYTES; at += 1) {
    if (at < TAR_CHECKSUM_OFFSET || at >= TAR_CHECKSUM_OFFSET + 8) sum += block[at] ?? 0;
  }
  return said === sum;
}

/** `BZh` may begin a text. */
function isTextual(head: Buffer): boolean {
  return head.length >= 16 && head.subarray(0, 64).every((byte) => byte >= 0x09 && byte < 0x7f);
}
