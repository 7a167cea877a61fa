/** Works for an account happen one after the other, and few of all accounts at once. */
export class Turns {
  readonly #most: number;
  readonly #last = new Map<string, Promise<unknown>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(most: number) {
    this.#most = most;
  }

  async take<T>(accountId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(accountId) ?? Promise.resolve();
    const turn = before.catch(() => {}).then(() => this.#run(work));
    this.#last.set(accountId, turn);
    try {
      return await turn;
    } finally {
      if (this.#last.get(accountId) === turn) this.#last.delete(accountId);
    }
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running === this.#most) await new Promise<void>((resolve) => this.#waiting.push(resolve));
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
