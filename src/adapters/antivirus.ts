import { readFileSync } from 'node:fs';
import { type ClamdPatience, createClamd } from './antivirus-clamd.ts';
import { createSignatureList, withHashes } from './antivirus-list.ts';

export type ScanResult =
  | { readonly state: 'clean'; readonly engine: string }
  | { readonly state: 'infected'; readonly engine: string; readonly signature: string }
  /** Nothing is known: said as it is, never as clean. */
  | { readonly state: 'not_scanned'; readonly engine: string; readonly why: 'no_signature_database' | 'too_large' };

export interface ScanRequest {
  /** Pieces belong to the scanner. */
  readonly content: AsyncIterable<Uint8Array>;
  /** Of the whole content, in hexadecimal. */
  readonly sha256: string;
  readonly signal: AbortSignal;
}

/** Whoever knows malware by its bytes. */
export interface Antivirus {
  /** Reads all of the content, or as much as is needed. Rejects when the scanner can't be asked. */
  scan(request: ScanRequest): Promise<ScanResult>;
}

export interface AntivirusOptions {
  /** `clamd://host:3310` or `clamd:///run/clamav/clamd.ctl`; without it, the list. */
  readonly url?: string | undefined;
  /** SHA-256 of known malware, in hexadecimal; known beside what a scanner knows. */
  readonly hashes?: readonly string[];
  /** How long a scanner may do nothing. */
  readonly patience?: ClamdPatience;
}

/** @throws {Error} saying what is wrong with the URL */
export function createAntivirus({ url, hashes = [], patience }: AntivirusOptions): Antivirus {
  if (url === undefined) return createSignatureList(hashes);
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== 'clamd:') throw new Error('ANTIVIRUS_URL: must be clamd://host:port, or clamd:// with the path of a socket.');
  const clamd =
    parsed.host === ''
      ? createClamd({ path: decodeURIComponent(parsed.pathname) }, patience)
      : createClamd({ host: parsed.hostname, port: parsed.port === '' ? 3310 : Number(parsed.port) }, patience);
  return withHashes(hashes, clamd);
}

/**
 * A file of hashes, one a line, with remarks after `#`.
 * @throws {Error} saying which line is no SHA-256
 */
export function readHashes(path: string): readonly string[] {
  return readFileSync(path, 'utf8')
    .split(/\r?\n/)
    .flatMap((line, index) => {
      const hash = line.replace(/#.*$/, '').trim();
      if (hash !== '' && !/^[0-9a-f]{64}$/i.test(hash)) throw new Error(`ANTIVIRUS_HASHES_FILE: line ${index + 1} is no SHA-256.`);
      return hash === '' ? [] : [hash];
    });
}
