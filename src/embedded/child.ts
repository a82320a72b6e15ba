import { fork, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { LaunchError } from './launch-error.ts';
import { identify, signal, startTimeOf } from './processes.ts';
import type { ProcessIdentity } from './processes.ts';

const FIRST_START_ATTEMPTS = 4;
const READY_TIMEOUT_MS = 60_000;
const PROBE_MS = 25;
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5000;
/** A child that lived this long starts again without the delay of earlier deaths. */
const HEALTHY_MS = 30_000;
const LOG_LIMIT_BYTES = 20 * 1024 * 1024;
const KILL_TIMEOUT_MS = 5000;

/** A program of its own, such as PostgreSQL. */
interface ProgramStart {
  readonly type: 'program';
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly folder: string;
  /** Whom to run as when we are root. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** Asked again and again while the program runs, until it is true. */
  isReady(pid: number): Promise<boolean>;
}

/** A Node module of ours: it sends `{ type: 'ready' }`, and ends when its channel to us closes. */
interface NodeStart {
  readonly type: 'node';
  readonly module: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** As for os.setPriority: above 0 yields to the others. */
  readonly priority?: number;
}

/** One process that the supervisor keeps running. */
export interface ChildSpec {
  readonly name: string;
  readonly ports: readonly number[];
  /** Children of one stage start together; stages start in order and stop in reverse order. */
  readonly stage: number;
  /** Called before every start: waits for what a dead predecessor left, then says how to start. */
  prepare(): Promise<ProgramStart | NodeStart>;
  readonly stopSignal: NodeJS.Signals;
  readonly stopTimeoutMs: number;
  /** Ends it at once when it did not stop in time. */
  readonly forceSignal: NodeJS.Signals;
}

/** What a child needs from its supervisor. */
interface ChildHost {
  readonly logFile: string;
  say(line: string): void;
  /** A process began or ended: what runs must be written down. */
  changed(): void;
}

/** One supervised child: started, started again when it dies, stopped. */
export class Child {
  readonly spec: ChildSpec;
  readonly #host: ChildHost;
  readonly #stop = new AbortController();
  #identity: ProcessIdentity | undefined;
  #exit: Promise<string> = Promise.resolve('not started');
  #watch: Promise<void> = Promise.resolve();

  constructor(spec: ChildSpec, host: ChildHost) {
    this.spec = spec;
    this.#host = host;
  }

  /** The process that runs now, if one does. */
  get identity(): ProcessIdentity | undefined {
    return this.#identity;
  }

  /**
   * Starts the child and resolves when it is ready; from then on it is started again whenever it dies.
   * @throws {LaunchError} when it does not become ready, with the end of its log
   */
  async start(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const failure = await this.#runUntilReady();
      if (failure === undefined || this.#stop.signal.aborted) break;
      if (attempt === FIRST_START_ATTEMPTS) {
        throw new LaunchError(`${this.spec.name} ${failure}. The end of ${this.#host.logFile}:\n${this.#logTail()}`);
      }
      await this.#pause(FIRST_DELAY_MS * attempt);
    }
    this.#watch = this.#keepRunning();
  }

  /** Stops it in order, and by force when it takes too long. */
  async stop(): Promise<void> {
    this.#stop.abort();
    const forced = setTimeout(() => this.force(), this.spec.stopTimeoutMs);
    this.#signal(this.spec.stopSignal);
    await this.#exit;
    await this.#watch;
    clearTimeout(forced);
  }

  /** Ends it now; a running `stop` then resolves. */
  force(): void {
    this.#stop.abort();
    this.#signal(this.spec.forceSignal);
    setTimeout(() => this.#signal('SIGKILL'), KILL_TIMEOUT_MS).unref();
  }

  async #keepRunning(): Promise<void> {
    let delayMs = FIRST_DELAY_MS;
    while (!this.#stop.signal.aborted) {
      const readyAt = performance.now();
      const reason = await this.#exit;
      if (this.#stop.signal.aborted) return;
      if (performance.now() - readyAt > HEALTHY_MS) delayMs = FIRST_DELAY_MS;
      const diedAt = performance.now();
      this.#host.say(`${this.spec.name} died (${reason}): starting it again.`);
      for (;;) {
        await this.#pause(delayMs);
        delayMs = Math.min(delayMs * 2, LONGEST_DELAY_MS);
        const failure = await this.#runUntilReady();
        if (failure === undefined || this.#stop.signal.aborted) break;
        this.#host.say(`${this.spec.name} ${failure}; next attempt in ${delayMs / 1000} s. Its log: ${this.#host.logFile}`);
      }
      if (this.#stop.signal.aborted) return;
      this.#host.say(`${this.spec.name} is back after ${((performance.now() - diedAt) / 1000).toFixed(1)} s.`);
    }
  }

  /** Answers with what went wrong, or undefined once it is ready. */
  async #runUntilReady(): Promise<string | undefined> {
    const failure = await this.#begin().catch(
      (error: unknown) => `did not start: ${error instanceof Error ? error.message : String(error)}`,
    );
    if (typeof failure === 'string') return failure;
    const ended = this.#exit.then((reason) => `ended before it was ready (${reason})`);
    const late = new AbortController();
    const tooLate = sleep(READY_TIMEOUT_MS, `was not ready within ${READY_TIMEOUT_MS / 1000} s`, { signal: late.signal }).catch(() => '');
    const outcome = await Promise.race([failure.ready.then(() => undefined), ended, tooLate]);
    late.abort();
    if (outcome !== undefined && this.#identity !== undefined) {
      this.#signal('SIGKILL');
      await this.#exit;
    }
    return outcome;
  }

  async #begin(): Promise<{ readonly ready: Promise<void> }> {
    const start = await this.spec.prepare();
    if (this.#stop.signal.aborted) throw new Error('it is being stopped');
    const log = this.#openLog();
    // Own process groups, so that Ctrl-C reaches us alone and the children stop in order; logs go straight to files,
    // so that they outlive us without a broken pipe.
    const child =
      start.type === 'program'
        ? spawn(start.command, start.args, {
            env: start.environment,
            cwd: start.folder,
            detached: true,
            stdio: ['ignore', log, log],
            ...start.user,
          })
        : fork(start.module, start.args, { env: start.environment, detached: true, stdio: ['ignore', log, log, 'ipc'], execArgv: [] });
    this.#adopt(child);
    closeSync(log);
    if (start.type === 'node' && start.priority !== undefined && child.pid !== undefined) setPriority(child.pid, start.priority);
    const ready = start.type === 'node' ? readyMessage(child) : this.#probe(child, start);
    return { ready };
  }

  /** Written down in the same tick as the spawn, so that a killed supervisor leaves a trace of it. */
  #adopt(child: ChildProcess): void {
    this.#identity = child.pid === undefined ? undefined : identify(child.pid);
    this.#host.changed();
    const exit = Promise.withResolvers<string>();
    this.#exit = exit.promise;
    child.once('error', (error) => {
      if (child.pid === undefined) exit.resolve(error.message);
    });
    child.once('exit', (code, signalName) => {
      this.#identity = undefined;
      this.#host.changed();
      exit.resolve(signalName ?? `exit code ${code}`);
    });
  }

  async #probe(child: ChildProcess, start: ProgramStart): Promise<void> {
    while (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      if (await start.isReady(child.pid)) return;
      await sleep(PROBE_MS);
    }
    await new Promise(() => {}); // its end is reported by #exit
  }

  #signal(name: NodeJS.Signals): void {
    const identity = this.#identity;
    if (identity !== undefined && startTimeOf(identity.pid) === identity.startTime) signal(identity.pid, name);
  }

  async #pause(durationMs: number): Promise<void> {
    await sleep(durationMs, undefined, { signal: this.#stop.signal }).catch(() => {});
  }

  #openLog(): number {
    const size = statSync(this.#host.logFile, { throwIfNoEntry: false })?.size ?? 0;
    if (size > LOG_LIMIT_BYTES) renameSync(this.#host.logFile, `${this.#host.logFile}.1`);
    return openSync(this.#host.logFile, 'a', 0o600);
  }

  #logTail(): string {
    return readFileSync(this.#host.logFile, 'utf8')
      .trim()
      .split('\n')
      .slice(-15)
      .map((line) => `  ${line}`)
      .join('\n');
  }
}

async function readyMessage(child: ChildProcess): Promise<void> {
  const ready = Promise.withResolvers<void>();
  child.on('message', (message: unknown) => {
    if (typeof message === 'object' && message !== null && 'type' in message && message.type === 'ready') ready.resolve();
  });
  await ready.promise;
}
