/** Mutual exclusion by account, with a bound on how many accounts' work runs at the same time. */
export class KeyedMutex {
  readonly #maxConcurrent: number;
  readonly #tails = new Map<string, Promise<unknown>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(maxConcurrent: number) {
    this.#maxConcurrent = maxConcurrent;
  }

  async runExclusive<T>(accountId: string, work: () => Promise<T>): Promise<T> {
    const previous = this.#tails.get(accountId) ?? Promise.resolve();
    const current = previous.catch(() => {}).then(() => this.#run(work));
    this.#tails.set(accountId, current);
    try {
      return await current;
    } finally {
      if (this.#tails.get(accountId) === current) this.#tails.delete(accountId);
    }
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running === this.#maxConcurrent)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
