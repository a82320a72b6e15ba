import type Stripe from 'stripe';
import { formatMoney } from '../../contracts/currencies.ts';
import { INSTRUMENTS } from './instruments.ts';

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
.banner{background:#fff3cd;border:2px solid #7a5b00;padding:.5rem 1rem;font-weight:600}
table{border-collapse:collapse;width:100%;margin:1rem 0}td,th{border:1px solid #999;padding:.3rem .6rem;text-align:left}
button{font:inherit;padding:.6rem 1.2rem;margin:.5rem .5rem .5rem 0;border:2px solid #1a1a1a;background:#fff;cursor:pointer}
button.approve{background:#0b5d1e;color:#fff;border-color:#0b5d1e}code{background:#eee;padding:0 .2rem}`;
const BANNER = '<p class="banner" role="note">This is a simulator, not Stripe: no money moves and no bank is asked.</p>';
const MAX_ROWS = 50;

/** What the simulator holds, for whoever looks at it. */
export function indexPage(intents: readonly Stripe.PaymentIntent[]): string {
  const rows = intents
    .slice(-MAX_ROWS)
    .toReversed()
    .map(({ id, status, amount, currency, description, next_action: action }) => {
      const url = action?.redirect_to_url?.url;
      const link = typeof url === 'string' ? ` <a href="${escapeHtml(url)}">approve or refuse</a>` : '';
      const cells = [`<code>${escapeHtml(id)}</code>`, money(amount, currency), escapeHtml(status) + link, escapeHtml(description ?? '')];
      return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
    });
  const methods = [...INSTRUMENTS].map(([id, { title }]) => `<tr><td><code>${id}</code></td><td>${escapeHtml(title)}</td></tr>`);
  return page(
    'Simulated payments',
    `<h1>Simulated payments</h1>
<h2>Payment intents</h2>${table(['Id', 'Amount', 'Status', 'Description'], rows, 'None yet.')}
<h2>Test payment methods</h2>${table(['Id', 'What it does'], methods, '')}`,
  );
}

/** The page in which the buyer's bank would ask. */
export function approvalPage(intent: Stripe.PaymentIntent): string {
  return page(
    'Approve a simulated payment',
    `<h1>Your bank asks</h1>
<p>Do you want to pay <strong>${money(intent.amount, intent.currency)}</strong>?</p>
<form method="post"><button class="approve" name="answer" value="approve">Approve</button><button name="answer" value="fail">Refuse</button></form>
<p>Or close this page: the payment then stays open.</p>`,
  );
}

/** Shown when there is no page to go back to, or nothing to answer. */
export function messagePage(title: string, text: string): string {
  return page(title, `<h1>${escapeHtml(title)}</h1><p>${escapeHtml(text)}</p>`);
}

function page(title: string, content: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)} (simulator)</title><style>${STYLE}</style></head><body>${BANNER}<main>${content}</main></body></html>`;
}

function table(titles: readonly string[], rows: readonly string[], empty: string): string {
  if (rows.length === 0) return `<p>${empty}</p>`;
  return `<table><thead><tr>${titles.map((title) => `<th scope="col">${title}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

function money(amount: number, currency: string): string {
  return escapeHtml(formatMoney({ amount, currency: currency.toUpperCase() }));
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
