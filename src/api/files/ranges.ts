/** First and last byte, both included. */
export interface Range {
  readonly firstByte: number;
  readonly lastByte: number;
}

/** More of them cost more than the whole. */
const MAX_RANGES = 16;

/**
 * The ranges that a `Range` header asks for, as far as they are there, in their order. Undefined: the header is to be ignored, as RFC 9110 says of
 * what is malformed and of other units; an empty list: none of them is there.
 */
export function readRanges(header: string | undefined, sizeBytes: number): readonly Range[] | undefined {
  const list = /^bytes=([\d\s,-]+)$/i
    .exec(header ?? '')?.[1]
    ?.split(',')
    .map((part) => part.trim());
  const parts = list?.filter((part) => part !== '');
  if (parts === undefined || parts.length === 0 || parts.length > MAX_RANGES) return undefined;
  const ranges: Range[] = [];
  for (const part of parts) {
    const [, first = '', last = ''] = /^(\d{0,15})-(\d{0,15})$/.exec(part) ?? [];
    if (first === '' && last === '') return undefined;
    if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined;
    const range =
      first === ''
        ? { firstByte: Math.max(0, sizeBytes - Number(last)), lastByte: sizeBytes - 1 }
        : { firstByte: Number(first), lastByte: Math.min(last === '' ? sizeBytes - 1 : Number(last), sizeBytes - 1) };
    if (range.firstByte <= range.lastByte) ranges.push(range);
  }
  // Whoever asks for more than there is, by ranges that overlap, gets the whole once.
  return ranges.reduce((sum, { firstByte, lastByte }) => sum + lastByte - firstByte + 1, 0) > sizeBytes ? undefined : ranges;
}
