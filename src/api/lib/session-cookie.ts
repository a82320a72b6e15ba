import type { IncomingMessage } from 'node:http';

const COOKIE = 'nightshift_session';
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);
const LOOPBACK_NAME = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;
const LOOPBACK_ADDRESS = /^(127(\.\d{1,3}){3}|::1|::ffff:127(\.\d{1,3}){3})$/;

/**
 * Under which origin a browser believes to talk to us, by the `Host` header; undefined for a name that is neither ours nor loopback:
 * a page of somebody else that made its own name point here.
 */
export function ownOrigin(host: string | undefined, publicUrl: string): string | undefined {
  const url = host === undefined ? null : URL.parse(`http://${host}`);
  if (url === null || url.href !== `http://${url.host}/`) return undefined;
  const own = new URL(publicUrl);
  // A default port is left out in one scheme and not in the other.
  if (host?.toLowerCase() === own.host) return own.origin;
  return LOOPBACK_NAME.test(url.hostname) ? url.origin : undefined;
}

/** Whether the other end of a connection is on this machine. */
export function isLoopback(address: string | undefined): boolean {
  return address !== undefined && LOOPBACK_ADDRESS.test(address);
}

/** The value of `Set-Cookie`: for our own pages only, out of reach for scripts, and never sent along by pages of others. */
export function writeSessionCookie(origin: string, secret: string, maxAgeSeconds: number): string {
  const secure = isSecure(origin) ? '; Secure' : '';
  return `${cookieName(origin)}=${secret}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Strict${secure}`;
}

/** The session in the cookie of a request that our own page sent; undefined when there is none, or anybody else may have sent it. */
export function readSessionCookie(request: IncomingMessage, publicUrl: string): string | undefined {
  const { cookie, host, origin: from, 'sec-fetch-site': site } = request.headers;
  if (cookie === undefined) return undefined;
  const origin = ownOrigin(host, publicUrl);
  if (origin === undefined) return undefined;
  // Cookies know no ports: a page of another server on this machine is the same site, but not the same origin.
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return undefined;
  const isSafe = SAFE_METHODS.has(request.method ?? '');
  if (from === undefined ? !isSafe : from !== origin) return undefined;
  return valueOf(cookie, cookieName(origin));
}

function cookieName(origin: string): string {
  return isSecure(origin) ? `__Host-${COOKIE}` : COOKIE;
}

function isSecure(origin: string): boolean {
  return origin.startsWith('https:');
}

function valueOf(header: string, name: string): string | undefined {
  const pairs = header.split(';').map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);
}
