import { createServer } from 'node:net';
import { LaunchError } from './launch-error.ts';
import { commandOf, portHolder } from './processes.ts';

/** First port of the block that is used unless told otherwise. */
export const DEFAULT_PORT_BASE = 7460;
/** Ports of one installation, counted from the first; what nobody wishes for stays free. */
export const PORT_OFFSETS = {
  api: 0,
  metrics: 1,
  temporal: 2,
  temporalUi: 3,
  postgres: 4,
  smtp: 5,
  mailbox: 6,
  temporalMetrics: 7,
  workMetrics: 8,
  workTemporalMetrics: 9,
  stripeTwin: 10,
} as const;
/** Size of a block: what `--port N` reserves. */
export const PORT_BLOCK = 20;

const SEARCH_PORTS = 200;

export type PortName = keyof typeof PORT_OFFSETS;
export type Ports = Readonly<Record<PortName, number>>;

/** What one port is wanted for. */
export interface PortWish {
  readonly name: PortName;
  readonly host: string;
  /** The port and the setting or flag that somebody asked for it by; undefined: the default one, or the next free. */
  readonly explicit: { readonly port: number; readonly by: string } | undefined;
}

/**
 * Finds a port for each wish. A default port that is taken is replaced by the next free one, and said in `notices`.
 * @throws {LaunchError} when an explicit port is taken, naming its holder
 */
export async function choosePorts(wishes: readonly PortWish[]): Promise<{ readonly ports: Ports; readonly notices: readonly string[] }> {
  const ports: Record<string, number> = {};
  const notices: string[] = [];
  const chosen = new Set(wishes.flatMap(({ explicit }) => explicit?.port ?? []));
  for (const { name, host, explicit } of wishes) {
    const wanted = explicit?.port ?? DEFAULT_PORT_BASE + PORT_OFFSETS[name];
    const isFree = (explicit !== undefined || !chosen.has(wanted)) && (await canListen(host, wanted));
    if (!isFree && explicit !== undefined) throw new LaunchError(`Port ${wanted} (${explicit.by}) is taken by ${holder(wanted)}.`);
    const port = isFree ? wanted : await nextFree(host, chosen);
    if (!isFree) notices.push(`Port ${wanted} is taken by ${holder(wanted)}: ${titleOf(name)} is on ${port} instead.`);
    chosen.add(port);
    ports[name] = port;
  }
  return { ports: withDefaults(ports), notices };
}

/** True when a server could listen here now. */
export async function canListen(host: string, port: number): Promise<boolean> {
  const server = createServer();
  const listening = Promise.withResolvers<boolean>();
  server.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE' || error.code === 'EACCES') listening.resolve(false);
    else listening.reject(new LaunchError(`HOST=${host} is no address that this machine can listen on (${error.code ?? error.message}).`));
  });
  server.listen({ host, port, exclusive: true }, () => listening.resolve(true));
  const isFree = await listening.promise;
  await new Promise((resolve) => server.close(resolve));
  return isFree;
}

async function nextFree(host: string, chosen: ReadonlySet<number>): Promise<number> {
  const first = DEFAULT_PORT_BASE + PORT_BLOCK;
  for (let port = first; port < first + SEARCH_PORTS; port += 1) {
    if (!chosen.has(port) && (await canListen(host, port))) return port;
  }
  throw new LaunchError(`No free port was found from ${first} to ${first + SEARCH_PORTS}: choose some with --port N.`);
}

/** Ports that nobody wished for keep their place in the block; nothing listens there. */
function withDefaults(ports: Readonly<Record<string, number>>): Ports {
  const entries = Object.entries(PORT_OFFSETS).map(([name, offset]) => [name, ports[name] ?? DEFAULT_PORT_BASE + offset]);
  return Object.fromEntries(entries) as Ports; // fromEntries forgets the keys, which are those of PORT_OFFSETS
}

function holder(port: number): string {
  const pid = portHolder(port);
  return pid === undefined ? 'another program' : `process ${pid} (${commandOf(pid).slice(0, 120)})`;
}

function titleOf(name: PortName): string {
  const titles: Record<PortName, string> = {
    api: 'the API',
    metrics: 'our metrics',
    temporal: 'Temporal',
    temporalUi: 'Temporal Web UI',
    postgres: 'PostgreSQL',
    smtp: 'SMTP',
    mailbox: 'the mailbox page',
    temporalMetrics: "the Temporal SDK's metrics",
    workMetrics: "the workers' metrics",
    workTemporalMetrics: "the Temporal SDK's metrics of the workers",
    stripeTwin: 'the simulator of Stripe',
  };
  return titles[name];
}
