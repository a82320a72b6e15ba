const FORCE_EXIT_CODE = 130;
const PARENT_CHECK_MS = 250;
/** Ctrl-C under npm comes twice, from the terminal and from npm, which passes it on; nobody presses twice on purpose so fast. */
const SAME_WISH_MS = 1_000;

/** Wishes that we stop, heard from the first moment on. */
export interface StopRequests {
  readonly asked: Promise<void>;
  isAsked(): boolean;
  onStop(action: () => void): void;
  /** Called for the second wish. */
  onForce(action: () => void): void;
}

/** Hears the signals that ask us to stop, and notices when the npm that started us has ended. */
export function hearSignals(environment: Readonly<Record<string, string | undefined>>): StopRequests {
  const { ask, requests } = createStopRequests(() => performance.now());
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (ask() === 'give_up') process.exit(FORCE_EXIT_CODE);
    });
  }
  if (environment['npm_lifecycle_event'] !== undefined) whenParentEnds(() => requests.isAsked() || ask());
  return requests;
}

/** What each wish means: the first stops in order; the next ends all at once, or gives up where nothing runs that could be ended. */
export function createStopRequests(now: () => number) {
  const asked = Promise.withResolvers<void>();
  let firstMs: number | undefined;
  let stop: () => void = () => {};
  let force: (() => void) | undefined;
  const ask = (): 'heard' | 'give_up' => {
    if (firstMs === undefined) {
      firstMs = now();
      stop();
      asked.resolve();
    } else if (now() - firstMs >= SAME_WISH_MS) {
      if (force === undefined) return 'give_up';
      force();
    }
    return 'heard';
  };
  const requests: StopRequests = {
    asked: asked.promise,
    isAsked: () => firstMs !== undefined,
    onStop: (action) => {
      stop = action;
    },
    onForce: (action) => {
      force = action;
    },
  };
  return { ask, requests };
}

/** npm hands a signal to the shell between us only, which ends without passing it on; we would run on unseen. */
function whenParentEnds(action: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    action();
  }, PARENT_CHECK_MS);
  timer.unref();
}
