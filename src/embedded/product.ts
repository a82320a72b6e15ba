import { join } from 'node:path';
import type { Environment, LaunchSettings } from '../config.ts';
import type { ChildSpec } from './child.ts';
import { writeAtomically } from './data-folder.ts';
import type { Ports } from './ports.ts';
import { withoutTemporalSettings } from './temporal.ts';

/** With the servers it needs, because it waits for them itself and has enough to load meanwhile. */
const APP_STAGE = 0;
const WORK_STAGE = 1;
/** Beside the grace time that running work gets, for closing connections. */
const STOP_MARGIN_MS = 5000;
/** Background work yields to answering requests. */
const WORK_PRIORITY = 5;

/** Where everything is, for people and for tools; undefined where it is not ours or unknown. */
export interface Endpoints {
  readonly api: string;
  readonly docs: string;
  readonly metrics: string;
  readonly temporalMetrics: string;
  readonly temporal: string | undefined;
  readonly temporalNamespace: string | undefined;
  readonly temporalUi: string | undefined;
  /** Superuser, owner and login of the embedded database. */
  readonly database: string | undefined;
  readonly databaseOwner: string | undefined;
  readonly databaseSuperuser: string | undefined;
  readonly mailbox: string | undefined;
  readonly mailLookup: string | undefined;
  readonly smtp: string | undefined;
  readonly stripeTwin: string | undefined;
  readonly apiKeyFile: string;
  readonly dataDir: string;
}

/** The product's own processes. */
export interface ProductModules {
  /** The API process. */
  readonly app: string;
  /** The worker process and the queues that it takes with these features; none: it does not start. */
  readonly work: { readonly module: string; readonly queues: (features: readonly string[]) => readonly string[] } | undefined;
}

/** What the product's processes are made from. */
interface Product {
  readonly settings: LaunchSettings;
  readonly ports: Ports;
  readonly endpoints: Endpoints;
  readonly modules: ProductModules;
  /** The environment that every child gets. */
  readonly environment: Environment;
  readonly isTemporalEmbedded: boolean;
}

/** The product's own processes, pointed at the embedded servers where those run. */
export function productChildren(product: Product): readonly ChildSpec[] {
  const { settings, ports, modules } = product;
  const environment = productEnvironment(product);
  const common = {
    stopSignal: 'SIGTERM',
    stopTimeoutMs: settings.shutdownGraceMs + STOP_MARGIN_MS,
    forceSignal: 'SIGKILL',
  } as const;
  const app: ChildSpec = {
    ...common,
    name: 'app',
    ports: [ports.api, ports.metrics, ports.temporalMetrics],
    stage: APP_STAGE,
    prepare: async () => ({ type: 'node', module: modules.app, args: [], environment }),
  };
  const { work } = modules;
  const queues = work?.queues(settings.features) ?? [];
  if (work === undefined || queues.length === 0) return [app];
  const workEnvironment = {
    ...environment,
    METRICS_PORT: String(ports.workMetrics),
    TEMPORAL_METRICS_PORT: String(ports.workTemporalMetrics),
  };
  return [
    app,
    {
      ...common,
      name: 'work',
      ports: [ports.workMetrics, ports.workTemporalMetrics],
      stage: WORK_STAGE,
      prepare: async () => ({
        type: 'node',
        module: work.module,
        args: ['--queues', queues.join(',')],
        environment: workEnvironment,
        priority: WORK_PRIORITY,
      }),
    },
  ];
}

/** What the product's processes find in their environment; it is the same as a user would set for outside parts. */
function productEnvironment({ settings, ports, endpoints, environment, isTemporalEmbedded }: Product): Environment {
  return {
    ...(isTemporalEmbedded ? withoutTemporalSettings(environment) : environment),
    HOST: settings.host,
    PORT: String(ports.api),
    PUBLIC_URL: settings.publicUrl ?? endpoints.api,
    METRICS_HOST: settings.metricsHost,
    METRICS_PORT: String(ports.metrics),
    TEMPORAL_METRICS_PORT: String(ports.temporalMetrics),
    DATA_DIR: endpoints.dataDir,
    API_KEY_FILE: endpoints.apiKeyFile,
    ...(endpoints.database === undefined
      ? {}
      : {
          DATABASE_URL: endpoints.database,
          DATABASE_SYSTEM_URL: endpoints.database,
          DATABASE_DIRECT_URL: endpoints.database,
          DATABASE_OWNER_URL: endpoints.databaseOwner,
        }),
    ...(isTemporalEmbedded ? embeddedTemporalSettings(endpoints) : {}),
    ...(endpoints.smtp === undefined ? {} : { SMTP_URL: endpoints.smtp, MAIL_LOOKUP_URL: endpoints.mailLookup }),
  };
}

/**
 * Points Temporal's client libraries at the embedded server. The file is there so that a profile in the user's home
 * (its TLS, its API key) does not mix in, and it gives the CLI everything: `TEMPORAL_CONFIG_FILE=.data/temporal.toml`.
 */
function embeddedTemporalSettings(endpoints: Endpoints): Environment {
  const file = join(endpoints.dataDir, 'temporal.toml');
  writeAtomically(
    file,
    `[profile.default]\naddress = ${JSON.stringify(endpoints.temporal)}\nnamespace = ${JSON.stringify(endpoints.temporalNamespace)}\n`,
  );
  return {
    TEMPORAL_CONFIG_FILE: file,
    TEMPORAL_ADDRESS: endpoints.temporal,
    TEMPORAL_NAMESPACE: endpoints.temporalNamespace,
    TEMPORAL_UI_URL: endpoints.temporalUi,
  };
}
