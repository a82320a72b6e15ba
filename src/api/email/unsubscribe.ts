import * as z from 'zod';
import { openUnsubscribe, UnsubscribeParams, type UnsubscribeClaim } from '../../contracts/email-unsubscribe.ts';
import { tenantOfToken } from '../../contracts/sealed-token.ts';
import type { ApiContext } from '../lib/context.ts';
import { escapeHtml } from '../../contracts/pure/html.ts';
import { sendPage } from '../lib/html.ts';
import { type RawReply, type ResponseSpec, type Route, publicRoute } from '../lib/route.ts';

const TAG = 'E-mail';
const HEAD = '<link rel="stylesheet" href="/docs/style.css"><meta name="robots" content="noindex">';
const ACTOR = { actor: 'recipient' };

/** What mail programs and people reach by the links in bulk mail. Programs that only look at links change nothing. */
export function unsubscribeRoutes(ctx: ApiContext): Route[] {
  return [showRoute(ctx), actRoute(ctx)];
}

function showRoute(ctx: ApiContext): Route {
  return publicRoute({
    method: 'get',
    path: '/unsubscribe/{token}',
    operationId: 'showUnsubscribe',
    summary: 'Show the page behind an unsubscribe link',
    description: 'A page with a button. Nothing changes until the button is pressed, so programs that follow links unsubscribe nobody.',
    tag: TAG,
    feature: 'email',
    params: UnsubscribeParams,
    responses: pages('The page.'),
    async handler({ params, now }) {
      const claim = await claimOf(ctx, params.token);
      if (claim === undefined) return unknownLink();
      const isDone = await ctx.store.email.isSuppressed(claim.tenantId, claim.address, now);
      return isDone ? unsubscribed(claim) : question(claim);
    },
  });
}

function actRoute(ctx: ApiContext): Route {
  return publicRoute({
    method: 'post',
    path: '/unsubscribe/{token}',
    operationId: 'unsubscribe',
    summary: 'Unsubscribe',
    description:
      'What the button on the page and the one-click of mail programs (RFC 8058) do: bulk mail is no longer sent to the recipient of the ' +
      'mail that the link came with. Needs no key and no body; `List-Unsubscribe=One-Click`, as mail programs send it, is the same. ' +
      'May be repeated.',
    tag: TAG,
    feature: 'email',
    params: UnsubscribeParams,
    responses: pages('Unsubscribed.'),
    async handler({ params, now }) {
      const claim = await claimOf(ctx, params.token);
      if (claim === undefined) return unknownLink();
      const { tenantId, address } = claim;
      await ctx.store.email.suppress({ tenantId, address, scope: 'bulk', reason: 'unsubscribed', actor: ACTOR, now });
      return unsubscribed(claim);
    },
  });
}

async function claimOf(ctx: ApiContext, token: string): Promise<UnsubscribeClaim | undefined> {
  const tenantId = tenantOfToken(token);
  const secret = tenantId === undefined ? undefined : await ctx.store.email.findUnsubscribeSecret(tenantId);
  return secret === undefined ? undefined : openUnsubscribe(secret, token);
}

function question({ address }: UnsubscribeClaim): RawReply {
  return page('Unsubscribe?', [
    `<p>Newsletters and offers will no longer be sent to <strong>${escapeHtml(masked(address))}</strong>.</p>`,
    '<p>Messages about what you ordered or asked for still arrive.</p>',
    '<form method="post"><button type="submit" name="List-Unsubscribe" value="One-Click">Unsubscribe</button></form>',
  ]);
}

function unsubscribed({ address }: UnsubscribeClaim): RawReply {
  return page('You are unsubscribed', [
    `<p role="status">No more newsletters and offers will be sent to <strong>${escapeHtml(masked(address))}</strong>.</p>`,
    '<p>Messages about what you ordered or asked for still arrive.</p>',
  ]);
}

function unknownLink(): RawReply {
  return page(
    'This link does not work',
    ['<p>It is not complete, or it is not ours. Nothing was changed.</p><p>Open it from the mail once more, or copy the whole of it.</p>'],
    404,
  );
}

function page(title: string, parts: readonly string[], status = 200): RawReply {
  const body = `<main><h1>${title}</h1>${parts.join('')}</main>`;
  return {
    send({ response }) {
      // The address bar holds the token: it stays with us.
      response.setHeader('Referrer-Policy', 'no-referrer');
      sendPage(response, { title, head: HEAD, body, status });
    },
  };
}

/** Enough for its owner to know it by, too little for whoever else has the link. */
function masked(address: string): string {
  return `${address.slice(0, 1)}•••${address.slice(address.lastIndexOf('@'))}`;
}

function pages(description: string): Readonly<Record<number, ResponseSpec>> {
  const html = { schema: z.string(), contentType: 'text/html', example: '<!doctype html>…' };
  return { 200: { description, ...html }, 404: { description: 'The link is not one of ours.', ...html } };
}
