const MAX_NAME_LENGTH = 900;
const MAX_SEGMENT_LENGTH = 200;
const NAME = /^[a-z0-9][a-z0-9/_.-]*$/;
const PREFIX = /^(?:[a-z0-9][a-z0-9/_.-]*)?$/;

/** A name that no object can have. Names are made by us, so this is a fault of ours, or somebody got a name of his own past us. */
export class StorageNameError extends Error {
  override readonly name = 'StorageNameError';
}

/** Bytes were asked for that the object doesn't have. */
export class StorageRangeError extends Error {
  override readonly name = 'StorageRangeError';
  readonly sizeBytes: number;

  constructor(sizeBytes: number) {
    super(`The object has ${sizeBytes} bytes; the range begins after them, or ends before it begins.`);
    this.sizeBytes = sizeBytes;
  }
}

/**
 * Lets pass what every driver can store: small letters, digits, `_ - .` and `/` between parts that are not empty and do not begin with a dot,
 * up to 900 characters in all and 200 a part.
 * @throws {StorageNameError}
 */
export function checkName(name: string): void {
  const isFine = NAME.test(name) && name.length <= MAX_NAME_LENGTH && name.split('/').every(isSegment);
  if (!isFine) {
    throw new StorageNameError('An object has a name that is not allowed.');
  }
}

/**
 * A prefix is the beginning of a name, so its last part may be empty.
 * @throws {StorageNameError}
 */
export function checkPrefix(prefix: string): void {
  const segments = prefix.split('/');
  const last = segments.pop() ?? '';
  const isFine = PREFIX.test(prefix) && prefix.length <= MAX_NAME_LENGTH && segments.every(isSegment) && (last === '' || isSegment(last));
  if (!isFine) {
    throw new StorageNameError('A prefix is not allowed.');
  }
}

function isSegment(segment: string): boolean {
  return segment !== '' && !segment.startsWith('.') && !segment.includes('..') && segment.length <= MAX_SEGMENT_LENGTH;
}
