import type { ColumnProfile, TableProfile } from '../../adapters/tables.ts';
import { escapeHtml } from '../../contracts/pure/html.ts';

const WIDTH = 320;
const HEIGHT = 72;
const MAX_SHOWN_CHARS = 60;
const STYLE = `
:root { color-scheme: light dark; --line: #d4d4d8; --soft: #71717a; --bar: #4f46e5; }
@media (prefers-color-scheme: dark) { :root { --line: #3f3f46; --soft: #a1a1aa; --bar: #818cf8; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1.5rem; }
h1 { font-size: 1.4rem; margin: 0; overflow-wrap: anywhere; } h2 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
p { color: var(--soft); margin: .25rem 0 1.5rem; }
main { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(22rem, 1fr)); }
section { border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; }
section small { color: var(--soft); } svg { display: block; margin: .75rem 0; width: 100%; height: auto; } rect { fill: var(--bar); }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0 1rem; margin: .5rem 0 0; font-variant-numeric: tabular-nums; }
dt { color: var(--soft); } dd { margin: 0; text-align: right; overflow-wrap: anywhere; } ol { margin: .5rem 0 0; padding-left: 1.25rem; }
figure { margin: 0; } figcaption { color: var(--soft); display: flex; justify-content: space-between; font-size: .8rem; font-variant-numeric: tabular-nums; }`;

/** A page that needs nothing else: what the columns of a table hold, with a histogram where there can be one. No scripts. */
export function profilePage(name: string, { rows, columns }: TableProfile): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(name)}: profile</title><style>${STYLE}</style></head>
<body>
<h1>${escapeHtml(name)}</h1>
<p>${count(rows)} rows, ${count(columns.length)} columns. Distinct values, quantiles and most frequent values are estimated.</p>
<main>
${columns.map((column) => section(column, rows)).join('\n')}
</main>
</body>
</html>
`;
}

function section(column: ColumnProfile, rows: number): string {
  const nullShare = rows === 0 ? 0 : column.nulls / rows;
  const quantiles = column.quantiles ?? [];
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['values', count(column.values)],
    ['missing', column.nulls === 0 ? '0' : `${count(column.nulls)} (${percent(nullShare)})`],
    ['distinct', `≈ ${count(column.distinct)}`],
    ['mean', column.mean === undefined ? undefined : short(column.mean)],
    ['standard deviation', column.standardDeviation === undefined ? undefined : short(column.standardDeviation)],
    ['median', quantiles[2] === undefined ? undefined : `≈ ${short(quantiles[2])}`],
    [
      '5 % to 95 %',
      quantiles[0] === undefined || quantiles[4] === undefined ? undefined : `≈ ${short(quantiles[0])} to ${short(quantiles[4])}`,
    ],
  ];
  const shown = facts.flatMap(([title, value]) => (value === undefined ? [] : [`<dt>${title}</dt><dd>${escapeHtml(value)}</dd>`]));
  return `<section><h2>${escapeHtml(column.name)}</h2><small>${escapeHtml(column.type)}</small>${figure(column)}<dl>${shown.join('')}</dl>${frequent(column)}</section>`;
}

function figure({ name, histogram, min, max }: ColumnProfile): string {
  if (histogram === undefined || min === undefined || max === undefined) return '';
  const highest = Math.max(1, ...histogram.map((bin) => bin.count));
  const step = WIDTH / histogram.length;
  const bars = histogram.map((bin, index) => {
    const height = bin.count === 0 ? 0 : Math.max(1, (bin.count / highest) * HEIGHT);
    const title = `<title>${escapeHtml(`${shownValue(bin.from)} to ${shownValue(bin.to)}: ${count(bin.count)}`)}</title>`;
    return `<rect x="${(index * step).toFixed(1)}" y="${(HEIGHT - height).toFixed(1)}" width="${(step - 1).toFixed(1)}" height="${height.toFixed(1)}">${title}</rect>`;
  });
  const caption = `<figcaption><span>${escapeHtml(shownValue(min))}</span><span>${escapeHtml(shownValue(max))}</span></figcaption>`;
  return `<figure><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(`Histogram of ${name}`)}">${bars.join('')}</svg>${caption}</figure>`;
}

function frequent({ top }: ColumnProfile): string {
  if (top === undefined || top.length === 0) return '';
  return `<ol>${top.map(({ value }) => `<li>${value === '' ? '<small>empty</small>' : escapeHtml(cut(value))}</li>`).join('')}</ol>`;
}

function shownValue(value: string | number): string {
  return typeof value === 'number' ? short(value) : value.replace('T', ' ').replace(/(?: 00:00:00)?\.000Z$/, '');
}

function short(value: number): string {
  if (value !== 0 && (Math.abs(value) >= 1e9 || Math.abs(value) < 1e-3)) return value.toExponential(2);
  return Number.isInteger(value) ? count(value) : value.toFixed(Math.abs(value) >= 100 ? 1 : 3);
}

/** With thin spaces between thousands, as everybody can read them. */
function count(value: number): string {
  return String(value).replace(/\B(?=(?:\d{3})+$)/g, '\u2009');
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}

function cut(text: string): string {
  const characters = [...text];
  return characters.length <= MAX_SHOWN_CHARS ? text : `${characters.slice(0, MAX_SHOWN_CHARS).join('')}…`;
}
