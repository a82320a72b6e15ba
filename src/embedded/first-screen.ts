import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Endpoints } from './product.ts';

/** What the first screen tells. */
interface FirstScreen {
  readonly dataDir: string;
  readonly endpoints: Endpoints;
  readonly apiKeyFile: string;
  readonly startedInMs: number;
  /** What is out of the ordinary: moved ports, ended leftovers, places of data. */
  readonly notices: readonly string[];
  readonly isEphemeral: boolean;
}

/** One screen: where everything is, how to send a first mail, what is simulated, how to stop. */
export function firstScreen({ dataDir, endpoints, apiKeyFile, startedInMs, notices, isEphemeral }: FirstScreen): string {
  const key = existsSync(apiKeyFile) ? readFileSync(apiKeyFile, 'utf8').trim() : undefined;
  const folder = shortPath(dataDir);
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['API', endpoints.api],
    ['API key', key === undefined ? `none in ${shortPath(apiKeyFile)}` : `${key}  (kept in ${shortPath(apiKeyFile)})`],
    ['Documentation', endpoints.docs],
    ['Temporal Web UI', endpoints.temporalUi],
    ['Mailbox', endpoints.mailbox],
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

function simulated(endpoints: Endpoints): readonly string[] {
  if (endpoints.mailbox === undefined) return [];
  return ['Simulated: mail goes to the mailbox above and nowhere else, until SMTP_URL is set.'];
}

function shortPath(path: string): string {
  const short = relative('.', path);
  return short.startsWith('..') || short === '' ? path : short;
}
