import type { DeliveryReport } from '../../adapters/mailer.ts';
import type { EmailRoutesStore, RouteState } from '../../store/system/email-routes.ts';

/** How long what another process has found out may stay unknown here. */
const LOOK_AGAIN_MS = 1_000;

/** Whether a mail server is to be left alone for a while, whoever's mail it is. */
export interface RouteGate {
  /** 0 while mail may go out. */
  pausedForMs(): Promise<number>;
  /** Learns from the answer to a mail: the server wants less, or takes mail again. */
  heed(report: DeliveryReport): Promise<void>;
}

/** The pauses of one route, looked up once a second at most, so that a mail costs no question of its own. */
export function createRouteGate(routes: EmailRoutesStore, route: string): RouteGate {
  let known = { until: 0, lookAt: 0, isStruck: false };
  let looking: Promise<void> | undefined;

  function learn({ pausedForMs, isStruck }: RouteState): void {
    const now = performance.now();
    known = { until: now + pausedForMs, lookAt: now + LOOK_AGAIN_MS, isStruck };
  }

  function look(): Promise<void> {
    looking ??= routes
      .state(route)
      .then(learn)
      .finally(() => {
        looking = undefined;
      });
    return looking;
  }

  return {
    async pausedForMs() {
      const now = performance.now();
      if (known.until <= now && known.lookAt <= now) await look();
      return Math.max(0, known.until - performance.now());
    },
    async heed(report) {
      if (report.outcome === 'deferred' && report.slowDown !== undefined) learn(await routes.pause(route, report.slowDown.forMs));
      else if (report.outcome === 'delivered' && known.isStruck && known.until <= performance.now()) learn(await routes.ease(route));
    },
  };
}
