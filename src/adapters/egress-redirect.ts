const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** What may go to another origin. Everything else may be a secret, whatever its name: a key, a signature, a cookie. */
const HARMLESS_HEADERS: ReadonlySet<string> = new Set(['accept', 'accept-language', 'content-language', 'content-type', 'user-agent']);
const BODY_HEADERS = /^content-/;

/** One request of a chain: what is asked of one URL. */
export interface Hop {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
}

/**
 * The request that a redirect asks for, by RFC 9110 15.4: 303 becomes GET (HEAD stays), POST becomes GET with 301 and 302, everything else is
 * repeated as it was. Undefined when the reply is not a redirect, or says not where to.
 */
export function nextHop(hop: Hop, status: number, location: string | undefined): Hop | undefined {
  if (!REDIRECTS.has(status) || location === undefined) {
    return undefined;
  }
  const from = new URL(hop.url);
  const to = URL.parse(location, hop.url);
  // What can't be parsed is refused by the check that every hop gets.
  const url = to === null ? location : to.href;
  const becomesGet = (status === 303 && hop.method !== 'HEAD') || (hop.method === 'POST' && (status === 301 || status === 302));
  const isSameOrigin = to?.origin === from.origin;
  const kept = Object.entries(hop.headers).filter(([name]) => {
    const lower = name.toLowerCase();
    return (isSameOrigin || HARMLESS_HEADERS.has(lower)) && !(becomesGet && BODY_HEADERS.test(lower));
  });
  return {
    url,
    method: becomesGet ? 'GET' : hop.method,
    headers: Object.fromEntries(kept),
    body: becomesGet ? undefined : hop.body,
  };
}
