import { join } from 'node:path';
import { localUrl } from '../config.ts';
import type { Environment, LaunchSettings } from '../config.ts';
import type { ChildSpec } from './child.ts';
import { CODE_CACHE_DIR } from './find-binaries.mjs';
import { createMailbox } from './mailbox.ts';
import { PORT_OFFSETS } from './ports.ts';
import type { PortName, Ports, PortWish } from './ports.ts';
import { createPostgres } from './postgres.ts';
import { productChildren } from './product.ts';
import type { Endpoints, ProductModules } from './product.ts';
import { createStripeTwin } from './stripe-twin.ts';
import { CHILD_MARK } from './supervisor.ts';
import { createTemporal, EMBEDDED_NAMESPACE } from './temporal.ts';

/** Everything to run, and where it will be found. */
export interface Stack {
  readonly children: readonly ChildSpec[];
  readonly endpoints: Endpoints;
  readonly notices: readonly string[];
}

/** The ports that this installation needs, with who asked for them. */
export function portWishes(settings: LaunchSettings, portBase: number | undefined): readonly PortWish[] {
  const { external, ports } = settings;
  const explicit = (name: PortName, setting?: string, value?: number) => {
    if (setting !== undefined && value !== undefined) return { port: value, by: setting };
    if (portBase !== undefined) return { port: portBase + PORT_OFFSETS[name], by: `--port ${portBase}` };
    return undefined;
  };
  const local = (name: PortName): PortWish => ({ name, host: '127.0.0.1', explicit: explicit(name) });
  return [
    { name: 'api', host: settings.host, explicit: explicit('api', 'PORT', ports.api) },
    { name: 'metrics', host: settings.metricsHost, explicit: explicit('metrics', 'METRICS_PORT', ports.metrics) },
    ...(external.temporal ? [] : [local('temporal'), local('temporalUi')]),
    ...(external.databaseUrl === undefined ? [local('postgres')] : []),
    ...(external.smtpUrl === undefined ? [local('smtp'), local('mailbox')] : []),
    ...(needsTwin(settings) ? [local('stripeTwin')] : []),
    {
      name: 'temporalMetrics',
      host: settings.metricsHost,
      explicit: explicit('temporalMetrics', 'TEMPORAL_METRICS_PORT', ports.temporalMetrics),
    },
    { name: 'workMetrics', host: settings.metricsHost, explicit: explicit('workMetrics') },
    { name: 'workTemporalMetrics', host: settings.metricsHost, explicit: explicit('workTemporalMetrics') },
  ];
}

/** Decides what runs here: an embedded server for each outside part that is not set, then the product. */
export function createStack(stack: {
  readonly settings: LaunchSettings;
  readonly dataDir: string;
  readonly ports: Ports;
  readonly modules: ProductModules;
}): Stack {
  const { settings, dataDir, ports, modules } = stack;
  const marked: Environment = { NODE_COMPILE_CACHE: CODE_CACHE_DIR, ...settings.environment, [CHILD_MARK]: dataDir };
  const { external } = settings;
  const postgres = external.databaseUrl === undefined ? createPostgres({ dataDir, port: ports.postgres, environment: marked }) : undefined;
  const temporal = external.temporal
    ? undefined
    : createTemporal({ dataDir, port: ports.temporal, uiPort: ports.temporalUi, environment: marked });
  const mailbox =
    external.smtpUrl === undefined
      ? createMailbox({ dataDir, smtpPort: ports.smtp, webPort: ports.mailbox, environment: marked })
      : undefined;
  const api = localUrl(settings.host, ports.api);
  const twin = needsTwin(settings) ? createStripeTwin({ dataDir, port: ports.stripeTwin, apiUrl: api, environment: marked }) : undefined;
  const apiKeyFile = settings.apiKeyFile ?? join(dataDir, 'api-key');
  const endpoints: Endpoints = {
    api,
    docs: `${api}/docs`,
    metrics: `${localUrl(settings.metricsHost, ports.metrics)}/metrics`,
    temporalMetrics: `${localUrl(settings.metricsHost, ports.temporalMetrics)}/metrics`,
    temporal: temporal === undefined ? settings.temporalAddress : `127.0.0.1:${ports.temporal}`,
    temporalNamespace: temporal === undefined ? settings.environment['TEMPORAL_NAMESPACE'] : EMBEDDED_NAMESPACE,
    temporalUi: temporal === undefined ? settings.temporalUiUrl : `http://127.0.0.1:${ports.temporalUi}`,
    database: postgres?.urls.app,
    databaseOwner: postgres?.urls.owner,
    databaseSuperuser: postgres?.urls.superuser,
    mailbox: mailbox?.pageUrl,
    mailLookup: mailbox?.lookupUrl,
    smtp: mailbox?.smtpUrl,
    stripeTwin: twin?.url,
    apiKeyFile,
    dataDir,
  };
  const embedded = [postgres?.spec, temporal, mailbox?.spec, twin?.spec].flatMap((spec) => spec ?? []);
  const product = productChildren({
    settings,
    ports,
    endpoints,
    modules,
    environment: { ...marked, ...twin?.settings },
    isTemporalEmbedded: temporal !== undefined,
  });
  return {
    children: [...embedded, ...product],
    endpoints,
    notices: postgres?.notice === undefined ? [] : [postgres.notice],
  };
}

/**
 * A simulator takes the place of Stripe where payments are offered and no account is set; but not where all else is outside, which is no
 * trial any more: orders wait for an account there rather than look paid.
 */
function needsTwin({ features, external }: LaunchSettings): boolean {
  const isAllElseOutside = external.databaseUrl !== undefined && external.temporal && external.smtpUrl !== undefined;
  return features.includes('checkout') && !external.stripe && !isAllElseOutside;
}
