import { isIP } from 'node:net';

import { isPublicAddress } from './egress-address.ts';
import { EgressRefusedError } from './egress-errors.ts';
import type { RefusalReason, Sent } from './egress-errors.ts';

const MAX_URL_LENGTH = 8192;
const PORTS: ReadonlySet<number> = new Set([80, 443, 8443]);
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const MAX_HEADERS = 100;
const MAX_HEADER_BYTES = 16 * 1024;
const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
/** Visible ASCII with spaces and tabs between; RFC 9110 5.5 without obs-text. */
const FIELD_VALUE = /^(?:[!-~](?:[\t -~]*[!-~])?)?$/;
/** What belongs to the connection, or would say twice what it says. */
const OWN_HEADERS = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Which targets may be reached. */
export interface EgressPolicy {
  /** Origins that may be reached although they are inner ones, spelled as `URL.origin` does. */
  readonly innerOrigins: ReadonlySet<string>;
  readonly allowHttp: boolean;
}

/** Where one hop of a request goes, after every check that needs no look-up. */
export interface Target {
  readonly url: URL;
  /** Name or address, without brackets and without the dot at the end. */
  readonly hostName: string;
  readonly port: number;
  readonly isTls: boolean;
  /** Named by the operator, so that its address is not checked. */
  readonly isInner: boolean;
}

/**
 * Checks the URL of one hop. The URL is parsed once, as browsers do, which turns every spelling of an IPv4 address into the same four numbers;
 * what is checked here is what is connected to.
 * @throws {EgressRefusedError}
 */
export function checkTarget(text: string, policy: EgressPolicy, sent: Sent): Target {
  const refuse = (reason: RefusalReason): never => {
    throw new EgressRefusedError(reason, { sent, status: undefined });
  };
  const url = text.length > MAX_URL_LENGTH || /[\p{Cc}\s\\]/u.test(text) ? null : URL.parse(text);
  if (url === null) {
    return refuse('url');
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    return refuse('scheme');
  }
  if (url.username !== '' || url.password !== '') {
    return refuse('credentials');
  }
  const isInner = policy.innerOrigins.has(url.origin);
  const isTls = url.protocol === 'https:';
  const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port);
  const hostName = url.hostname.replace(/^\[|\]$|\.$/g, '');
  if (!isInner) {
    if (!isTls && !policy.allowHttp) {
      return refuse('scheme');
    }
    if (!PORTS.has(port)) {
      return refuse('port');
    }
    if (isIP(hostName) !== 0 && !isPublicAddress(hostName)) {
      return refuse('address');
    }
  }
  return { url, hostName, port, isTls, isInner };
}

/**
 * Checks every answer of a look-up: one that is not public refuses them all, since the next look-up may give it first.
 * @throws {EgressRefusedError}
 */
export function checkAddresses(target: Target, addresses: readonly string[], sent: Sent): void {
  const isAllowed = (address: string): boolean => (target.isInner ? isIP(address) !== 0 : isPublicAddress(address));
  if (!addresses.every(isAllowed)) {
    throw new EgressRefusedError('dns', { sent, status: undefined });
  }
}

/**
 * Checks what the caller wants to send; a line break in a header value would begin another header, or another request.
 * @throws {EgressRefusedError}
 */
export function checkMessage(method: string, headers: Readonly<Record<string, string>>): void {
  const names = Object.keys(headers).map((name) => name.toLowerCase());
  const sizeBytes = Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0);
  if (!METHODS.has(method)) {
    throw new EgressRefusedError('method', { sent: 'no', status: undefined });
  }
  const isFine =
    names.length <= MAX_HEADERS &&
    sizeBytes <= MAX_HEADER_BYTES &&
    new Set(names).size === names.length &&
    names.every((name) => TOKEN.test(name) && !OWN_HEADERS.has(name)) &&
    Object.values(headers).every((value) => FIELD_VALUE.test(value));
  if (!isFine) {
    throw new EgressRefusedError('header', { sent: 'no', status: undefined });
  }
}
