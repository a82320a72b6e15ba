import pg from 'pg';

export interface ConnectionSettings extends pg.PoolConfig {
  readonly max: number;
  /** How long somebody waits for a connection, whether a new one or one that others have. */
  readonly connectionTimeoutMillis: number;
}

export interface LineOptions {
  /** Whether the caller is a step that has little time, as the one who opens the pool knows. */
  readonly isStep: () => boolean;
}

interface Waiting {
  readonly serve: () => void;
}

/**
 * A pool of connections with two lines before it, served in turns: one of steps that have little time, one of all others. In one line, requests
 * that may wait for 5 s use up the 2 s of a step. Of steps the last comes first: served in the order in which they came, none would be
 * through in its time once there are too many, and each would be begun again behind itself. The first then wait in vain, and try again later.
 */
export class ConnectionPool {
  /** Asked for by Kysely. */
  readonly options: pg.PoolOptions;
  readonly #pool: pg.Pool;
  readonly #settings: ConnectionSettings;
  readonly #isStep: () => boolean;
  readonly #waitingSteps: Waiting[] = [];
  readonly #waitingOthers: Waiting[] = [];
  #taken = 0;
  #isStepsTurn = true;

  constructor(settings: ConnectionSettings, { isStep }: LineOptions) {
    this.#pool = new pg.Pool(settings);
    this.options = this.#pool.options;
    this.#settings = settings;
    this.#isStep = isStep;
    // An idle connection that the server closed is replaced at the next use; without a listener it would end the process.
    this.#pool.on('error', () => undefined);
    // Neither does anybody listen to one that is taken out, between two of its queries. The next one says what happened.
    this.#pool.on('connect', (client) => client.on('error', () => undefined));
  }

  /** A connection, which the caller releases. */
  async connect(): Promise<pg.PoolClient> {
    if (this.#taken < this.#settings.max) this.#taken += 1;
    else await this.#wait();
    try {
      const client = await this.#pool.connect();
      const release = client.release;
      client.release = (isBroken) => {
        release.call(client, isBroken);
        this.#pass();
      };
      return client;
    } catch (error) {
      this.#pass();
      throw error;
    }
  }

  async end(): Promise<void> {
    if (!this.#pool.ending) await this.#pool.end();
  }

  /** Until somebody passes a place on. */
  #wait(): Promise<void> {
    const line = this.#isStep() ? this.#waitingSteps : this.#waitingOthers;
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        serve: () => {
          clearTimeout(timer);
          resolve();
        },
      };
      const giveUp = (): void => {
        line.splice(line.indexOf(waiting), 1);
        reject(new Error('timeout exceeded when trying to connect'));
      };
      const timer = setTimeout(giveUp, this.#settings.connectionTimeoutMillis);
      line.push(waiting);
    });
  }

  /** To who waits, or to nobody. */
  #pass(): void {
    const isStepsTurn = this.#waitingOthers.length === 0 || (this.#isStepsTurn && this.#waitingSteps.length > 0);
    const next = isStepsTurn ? this.#waitingSteps.pop() : this.#waitingOthers.shift();
    if (next === undefined) {
      this.#taken -= 1;
      return;
    }
    this.#isStepsTurn = !isStepsTurn;
    next.serve();
  }
}
