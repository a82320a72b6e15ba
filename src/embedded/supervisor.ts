import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from './child.ts';
import type { ChildSpec } from './child.ts';
import { writeProcesses } from './data-folder.ts';

/** Added to every child's environment with the data folder as value, so that leftovers are found without any file. */
export const CHILD_MARK = 'NIGHTSHIFT_DATA';

/** Starts children stage by stage, keeps them running, and stops them in reverse order. */
export class Supervisor {
  readonly #children: readonly Child[];
  readonly #dataDir: string;
  #stopped: Promise<void> | undefined;

  constructor(dataDir: string, specs: readonly ChildSpec[], say: (line: string) => void) {
    this.#dataDir = dataDir;
    const logs = join(dataDir, 'logs');
    mkdirSync(logs, { recursive: true, mode: 0o700 });
    this.#children = specs.map(
      (spec) => new Child(spec, { logFile: join(logs, `${spec.name}.log`), say, changed: () => this.#writeDown() }),
    );
  }

  /**
   * Resolves when every child is ready.
   * @throws {LaunchError} when one does not become ready; the others may run, so `stop` must follow
   */
  async start(): Promise<void> {
    for (const stage of this.#stages()) {
      if (this.#stopped !== undefined) return;
      await Promise.all(stage.map((child) => child.start()));
    }
  }

  /** Stops every child, the last stage first, and within a stage the last named first. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopInOrder();
    return this.#stopped;
  }

  /** Ends every child at once; a running `stop` then resolves. */
  force(): void {
    for (const child of this.#children) child.force();
  }

  async #stopInOrder(): Promise<void> {
    for (const stage of this.#stages().toReversed()) {
      for (const child of stage.toReversed()) await child.stop();
    }
  }

  #stages(): readonly (readonly Child[])[] {
    const numbers = [...new Set(this.#children.map((child) => child.spec.stage))].toSorted((a, b) => a - b);
    return numbers.map((number) => this.#children.filter((child) => child.spec.stage === number));
  }

  #writeDown(): void {
    const running = this.#children.flatMap(({ spec, identity }) =>
      identity === undefined ? [] : [{ name: spec.name, pid: identity.pid, startTime: identity.startTime, ports: [...spec.ports] }],
    );
    writeProcesses(this.#dataDir, running);
  }
}
