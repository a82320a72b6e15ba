import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Express, Request, Response } from 'express';
import { CHECKOUT_SCOPES } from '../../contracts/checkout/scopes.ts';
import { openVisitor, sealVisitor, Visit, VisitBody } from '../../contracts/checkout/shop.ts';
import type { ApiContext } from '../lib/context.ts';
import { mountPage, sendPage } from '../lib/html.ts';
import { HttpProblem } from '../lib/problems.ts';
import { publicRoute, type Route } from '../lib/route.ts';
import { TOKEN_TTL_MS } from './recovery.ts';

const FOLDER = join(import.meta.dirname, 'shop');
const SCRIPT = 'text/javascript; charset=utf-8';
const FILES: Readonly<Record<string, string>> = { 'shop.js': SCRIPT, 'words.js': SCRIPT, 'shop.css': 'text/css; charset=utf-8' };
const ACTOR = { actor: 'shop' };

const EXAMPLE: Visit = {
  object: 'shopVisit',
  createdAt: '2026-11-25T08:00:00.000Z',
  token: 'nt_t7w2x9ab_mJ2u0mXv8a3pQ5r7t9w1y3A5C7E9G1I3K5M7O9Q1S3Ue4c1d2',
  expiresAt: '2026-11-25T09:00:00.000Z',
  visitor: 'default.kq0Z…',
  shopName: 'Nightshift shop',
};

/** The demo shop: a page with products, a cart, test payments and their news. Only where payments are simulated. */
export function mountShop(app: Express, ctx: ApiContext): void {
  mountPage(app, '/shop', (_request: Request, response: Response) => {
    requireSimulated(ctx);
    // The address may hold the token of a cart: it stays with us.
    response.setHeader('Referrer-Policy', 'no-referrer');
    sendPage(response, { title: ctx.shop.name, head: HEAD, body: BODY });
  });
  mountPage(app, '/shop/:file', (request, response) => {
    requireSimulated(ctx);
    const file = String(request.params['file']);
    const type = Object.hasOwn(FILES, file) ? FILES[file] : undefined;
    if (type === undefined) throw new HttpProblem('route_not_found');
    response.setHeader('Content-Type', type);
    response.sendFile(join(FOLDER, file), { dotfiles: 'allow', cacheControl: false, headers: { 'Cache-Control': 'no-cache' } });
  });
}

/** What the page needs besides the public API. */
export function shopRoutes(ctx: ApiContext): Route[] {
  return [
    publicRoute({
      method: 'post',
      path: '/shop/visits',
      operationId: 'visitShop',
      summary: 'Come into the demo shop',
      description:
        'Gives its page a token for carts and orders of its own, in the tenant that the setting `SHOP_TENANT` names. Needs no key; only there while payments are simulated.',
      tag: 'Checkout',
      feature: 'checkout',
      body: VisitBody,
      bodyOptional: true,
      bodyExample: {},
      responses: { 201: { description: 'Come in.', schema: Visit, example: EXAMPLE } },
      problems: ['shop_closed'],
      async handler({ body, now }) {
        requireSimulated(ctx);
        const { tenantId, name: shopName } = ctx.shop;
        if ((await ctx.store.tenants.get(tenantId)) === undefined) throw new HttpProblem('shop_closed');
        const secret = await ctx.store.email.unsubscribeSecret(tenantId);
        const known = body.visitor === undefined ? undefined : openVisitor(secret, body.visitor);
        const subject = known?.tenantId === tenantId ? known.subject : `visitor:${randomUUID()}`;
        const scopes = Object.values(CHECKOUT_SCOPES);
        const expiresAt = new Date(now.getTime() + TOKEN_TTL_MS);
        const made = await ctx.store.apiKeys.create({
          ...{ tenantId, kind: 'token', name: 'visitor of the shop', subject, scopes, expiresAt, actor: ACTOR, now },
        });
        if (made.outcome !== 'created') throw new Error('without an idempotency key there is nothing to repeat');
        const visit: Visit = {
          object: 'shopVisit',
          createdAt: now.toISOString(),
          token: made.secret,
          expiresAt: expiresAt.toISOString(),
          visitor: sealVisitor(secret, tenantId, subject),
          shopName,
        };
        return { status: 201, body: visit, headers: { 'Cache-Control': 'no-store' } };
      },
    }),
  ];
}

/** @throws {HttpProblem} shop_closed, so that nobody takes a demo for a shop */
function requireSimulated({ payments }: ApiContext): void {
  if (payments.mode !== 'simulated') throw new HttpProblem('shop_closed');
}

const HEAD =
  '<link rel="icon" href="/docs/favicon-32x32.png"><link rel="stylesheet" href="/shop/shop.css"><meta name="robots" content="noindex">' +
  '<meta name="color-scheme" content="light dark">';

/** All that the script fills; without it the page says what is missing. */
const BODY = `<a class="skip" href="#products">Skip to the products</a>
<header><h1 id="shop-name">Shop</h1>
<p class="notice" role="note"><strong>Payments here are simulated.</strong> No card is charged and nothing is sent to you but mails into the mailbox of this server. Never type a real card number.</p></header>
<noscript><p>This page needs JavaScript.</p></noscript>
<main>
<p id="status" role="status" aria-live="polite"></p>
<p id="trouble" role="alert"></p>
<section aria-labelledby="products-title"><h2 id="products-title">Products</h2>
<p><label for="currency">Currency</label> <select id="currency" disabled><option>EUR</option><option>JPY</option><option>KWD</option></select></p>
<ul id="products"></ul></section>
<section aria-labelledby="cart-title"><h2 id="cart-title">Your cart</h2><div id="cart"></div></section>
<section aria-labelledby="buyer-title" id="buyer" hidden><h2 id="buyer-title">Your address</h2>
<form id="contact"><p><label for="email">E-mail, for the receipt</label> <input id="email" type="email" autocomplete="email" required></p>
<p><input id="agree" type="checkbox"> <label for="agree">Remind me of this cart if I leave it (up to three mails; you can end them with one click)</label></p>
<p><button type="submit">Save</button></p></form></section>
<section aria-labelledby="pay-title" id="payment" hidden><h2 id="pay-title">Pay</h2>
<form id="pay"><fieldset><legend>With a test instrument</legend><div id="instruments"></div></fieldset>
<p><button type="submit" id="pay-button">Order and pay</button></p></form></section>
<section aria-labelledby="order-title" id="order" hidden><h2 id="order-title">Your order</h2>
<p id="order-state"></p><p id="order-action"></p><ol id="order-news" aria-label="What has happened"></ol>
<p><button type="button" id="again">Start another cart</button></p></section>
</main><script type="module" src="/shop/shop.js"></script>`;
