/** Works for an account happen one after the other, and few of all accounts at once. */
export class KeyedMutex {
  readonly #maxConcurrent: number;
  readonly #tails = new Map<string, Promise<unknown>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(most: number) {
    this.#maxConcurrent = most;
  }

  async runExclusive<T>(accountId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(accountId) ?? Promise.resolve();
    const turn = before.catch(() => {}).then(() => this.#run(work));
    this.#tails.set(accountId, turn);
    try {
      return await turn;
    } finally {
      if (this.#tails.get(accountId) === turn) this.#tails.delete(accountId);
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
