import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { HttpProblem } from '../lib/problems.ts';

export const CHECKSUM_ALGORITHMS = ['sha1', 'sha256', 'crc32'] as const;
type Algorithm = (typeof CHECKSUM_ALGORITHMS)[number];

const DIGEST_BYTES: Readonly<Record<Algorithm, number>> = { sha1: 20, sha256: 32, crc32: 4 };

/** Follows the bytes of one request, and says at its end whether they are those that were sent. */
export interface Checksum {
  update(chunk: Uint8Array): void;
  matches(): boolean;
}

/**
 * `Upload-Checksum: sha256 {base64}`.
 * @throws {HttpProblem} for an algorithm that we do not know, and for what is no digest of it
 */
export function readChecksum(header: string | string[] | undefined): Checksum | undefined {
  if (header === undefined) return undefined;
  const [name = '', encoded = '', ...rest] = String(header).trim().split(/ +/);
  const algorithm = CHECKSUM_ALGORITHMS.find((known) => known === name.toLowerCase());
  const expected = Buffer.from(encoded, 'base64');
  const isDigest = algorithm !== undefined && rest.length === 0 && expected.length === DIGEST_BYTES[algorithm];
  if (algorithm === undefined || !isDigest) {
    const message = `must be one of ${CHECKSUM_ALGORITHMS.join(', ')}, a space, and the digest of the body in base64`;
    throw new HttpProblem('invalid_request', `Upload-Checksum ${message}.`, { errors: [{ pointer: 'header/upload-checksum', message }] });
  }
  return algorithm === 'crc32' ? crc32Checksum(expected) : hashChecksum(algorithm, expected);
}

function hashChecksum(algorithm: 'sha1' | 'sha256', expected: Buffer): Checksum {
  const hash = createHash(algorithm);
  return {
    update: (chunk) => void hash.update(chunk),
    matches: () => hash.digest().equals(expected),
  };
}

function crc32Checksum(expected: Buffer): Checksum {
  let sum = 0;
  return {
    update(chunk) {
      sum = crc32(chunk, sum);
    },
    matches: () => sum === expected.readUInt32BE(),
  };
}
