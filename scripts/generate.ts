// Writes what is made from the code: run it after a change of its source. With --check it writes nothing and fails when
// a file is stale.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeSettings } from '../src/settings.ts';
import type { SettingNotes } from '../src/setting-types.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const LINE_WIDTH = 110;

/** A file that is made from code, wholly or between two markers. */
interface Generated {
  /** From the root of the repository. */
  readonly path: string;
  /** The new content; `current` is what the file holds now, empty when there is none. */
  render(current: string): string | Promise<string>;
}

const GENERATED: readonly Generated[] = [
  { path: '.env.example', render: renderEnvExample },
  { path: 'docs/settings.md', render: (current) => replaceBetween(current, 'settings', renderSettingsTable()) },
];

const isCheck = process.argv.includes('--check');
const stale: string[] = [];
for (const { path, render } of GENERATED) {
  const file = join(ROOT, path);
  const current = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const wanted = await render(current);
  if (wanted === current) continue;
  stale.push(path);
  if (isCheck) continue;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, wanted);
  console.log(`wrote ${path}`);
}
if (isCheck && stale.length > 0) {
  console.error(`Stale: ${stale.join(', ')}. Their source changed: run npm run docs and commit the result.`);
  process.exitCode = 1;
}

function renderEnvExample(): string {
  const header = [
    '# Every setting with its default. Nothing here is needed: unset settings mean embedded servers and sane values.',
    '# Copy to .env and uncomment what you change. Made by npm run docs from src/settings.ts.',
  ];
  let group = '';
  const lines = describeSettings().flatMap(([name, notes]) => {
    const title = notes.group === group ? [] : ['', `# ---- ${notes.group} ----`];
    group = notes.group;
    return [...title, ...comment(`${notes.description} Unset: ${describeUnset(notes)}.`), `#${name}=`];
  });
  return [...header, ...lines, ''].join('\n');
}

function renderSettingsTable(): string {
  const rows = describeSettings().map(([name, notes]) => `| \`${name}\` | ${notes.description} | ${describeUnset(notes)} |`);
  return ['| setting | what it does | when unset |', '|---|---|---|', ...rows].join('\n');
}

function describeUnset({ unset, unit }: SettingNotes): string {
  return unit === undefined || unit === 'duration' ? unset : `${unset} ${unit}`;
}

function comment(text: string): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length + 1 > LINE_WIDTH) lines.push(`# ${word}`);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

/** Replaces what stands between `<!-- name:begin -->` and `<!-- name:end -->`. */
function replaceBetween(current: string, name: string, content: string): string {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const [head, rest] = split(current, begin, name);
  const [, tail] = split(rest, end, name);
  return `${head}${begin}\n${content}\n${end}${tail}`;
}

function split(text: string, marker: string, name: string): readonly [string, string] {
  const index = text.indexOf(marker);
  if (index === -1) throw new Error(`The marker ${marker} for the generated part "${name}" is missing.`);
  return [text.slice(0, index), text.slice(index + marker.length)];
}
