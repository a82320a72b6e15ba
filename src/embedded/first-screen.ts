import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Endpoints } from './product.ts';

/** How long the screen waits for a link; without one it is shown all the same. */
const LINK_TIMEOUT_MS = 2_000;

/** What the first screen tells. */
interface FirstScreen {
  readonly dataDir: string;
  readonly endpoints: Endpoints;
  readonly apiKeyFile: string;
  readonly startedInMs: number;
  /** What is out of the ordinary: moved ports, ended leftovers, places of data. */
  readonly notices: readonly string[];
  readonly isEphemeral: boolean;
  /** Path of the CLI, where Temporal is embedded. */
  readonly temporalCli: string | undefined;
  /** Title and place of what is not embedded. */
  readonly outside: readonly (readonly [string, string])[];
}

/** One screen: where everything is, how to send a first mail, what is simulated, how to stop. */
export async function firstScreen(screen: FirstScreen): Promise<string> {
  const { dataDir, endpoints, apiKeyFile, startedInMs, notices, isEphemeral, temporalCli, outside } = screen;
  const key = existsSync(apiKeyFile) ? readFileSync(apiKeyFile, 'utf8').trim() : undefined;
  const link = key === undefined ? undefined : await askForLink(endpoints.api, key);
  const folder = shortPath(dataDir);
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['API', endpoints.api],
    ['API key', key === undefined ? `none in ${shortPath(apiKeyFile)}` : `${key}  (kept in ${shortPath(apiKeyFile)})`],
    ['Documentation', endpoints.docs],
    ['… with your key', link === undefined ? undefined : `${link}  (works once, for 10 minutes)`],
    ['Temporal Web UI', endpoints.temporalUi],
    ['Temporal CLI', temporalCli === undefined ? undefined : `${cliWords(folder, temporalCli)} workflow list`],
    ['Mailbox', endpoints.mailbox],
    ['Shop', endpoints.stripeTwin === undefined ? undefined : `${endpoints.api}/shop  (a demo: fill a cart, pay with test cards)`],
    ['Payments', endpoints.stripeTwin === undefined ? undefined : `${endpoints.stripeTwin}  (simulated)`],
    ...outside,
    ['Metrics', endpoints.metrics],
    ['Data', `${folder}${isEphemeral ? '  (thrown away at the end)' : ''}`],
    ['Logs', `${folder}/logs`],
  ];
  const table = rows.flatMap(([title, value]) => (value === undefined ? [] : [`  ${title.padEnd(17)}${value}`]));
  return [
    '',
    ...notices.map((notice) => `! ${notice}`),
    ...(notices.length > 0 ? [''] : []),
    `Nightshift is up after ${(startedInMs / 1000).toFixed(1)} s.`,
    '',
    ...table,
    '',
    '  Send a mail:',
    '',
    `    curl -sS ${endpoints.api}/v1/emails \\`,
    `      -H 'Authorization: Bearer ${key ?? 'YOUR_API_KEY'}' -H 'Content-Type: application/json' \\`,
    `      -d '{"to":"ada@example.com","subject":"Hello","text":"It works"}'`,
    '',
    ...simulated(endpoints).map((line) => `  ${line}`),
    `  Stop: Ctrl-C. ${isEphemeral ? 'The data is thrown away.' : 'What was accepted is kept and goes on at the next start.'}`,
    '',
  ].join('\n');
}

/** The CLI and where it finds the embedded Temporal, to be pasted into a shell in this folder. */
function cliWords(folder: string, path: string): string {
  return `TEMPORAL_CONFIG_FILE=${folder}/temporal.toml ${shortPath(path)}`;
}

/** A link that opens our pages without pasting the key. */
async function askForLink(api: string, key: string): Promise<string | undefined> {
  try {
    const signal = AbortSignal.timeout(LINK_TIMEOUT_MS);
    const response = await fetch(`${api}/v1/sessions`, { method: 'POST', headers: { Authorization: `Bearer ${key}` }, signal });
    const body: unknown = await response.json();
    return typeof body === 'object' && body !== null && 'link' in body && typeof body.link === 'string' ? body.link : undefined;
  } catch {
    return undefined;
  }
}

function simulated(endpoints: Endpoints): readonly string[] {
  return [
    ...(endpoints.mailbox === undefined ? [] : ['Simulated: mail goes to the mailbox above and nowhere else, until SMTP_URL is set.']),
    ...(endpoints.stripeTwin === undefined ? [] : ['Simulated: payments move no money, until STRIPE_API_KEY is set.']),
  ];
}

function shortPath(path: string): string {
  const short = relative('.', path);
  return short.startsWith('..') || short === '' ? path : short;
}
