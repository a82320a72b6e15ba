import { parseArgs } from 'node:util';
import { LaunchError } from './launch-error.ts';
import { PORT_BLOCK } from './ports.ts';

const LAST_PORT_BASE = 65_536 - PORT_BLOCK;

/** The flags of `npm start`. */
export interface LaunchOptions {
  readonly isEphemeral: boolean;
  readonly isReset: boolean;
  readonly readyFile: string | undefined;
  /** First port of a block of twenty. */
  readonly portBase: number | undefined;
  readonly isHelp: boolean;
}

export const HELP = `npm start [-- flags]    runs Nightshift and everything it needs on this machine

  --ephemeral      throw-away data: a fresh folder, removed at the end
  --reset          throws away the data in .data first
  --port N         uses the twenty ports from N on (default: 7460)
  --ready-file F   writes the addresses to F when all is up; F is removed at the end
  --help           this text

Settings are environment variables: docs/settings.md. How it behaves: docs/running.md.
`;

/**
 * Reads the flags.
 * @throws {LaunchError} when one is unknown or wrong, or two contradict each other
 */
export function parseOptions(args: readonly string[]): LaunchOptions {
  const { values } = parse(args);
  if (values.ephemeral === true && values.reset === true)
    throw new LaunchError('--ephemeral and --reset exclude each other: throw-away data is new at every start, and .data is left alone.');
  return {
    isEphemeral: values.ephemeral === true,
    isReset: values.reset === true,
    readyFile: values['ready-file'],
    portBase: values.port === undefined ? undefined : portBase(values.port),
    isHelp: values.help === true,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        ephemeral: { type: 'boolean' },
        reset: { type: 'boolean' },
        'ready-file': { type: 'string' },
        port: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new LaunchError(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`, { cause: error });
  }
}

function portBase(text: string): number {
  const base = Number(text);
  if (Number.isInteger(base) && base >= 1 && base <= LAST_PORT_BASE) return base;
  throw new LaunchError(`--port ${text}: must be a whole number from 1 to ${LAST_PORT_BASE}.`);
}
