import type { ResourceRoute } from "../platform/http/resources.ts";

/** A part of the platform as the lifecycle sees it. */
export interface Module {
  /** Routes that the HTTP server serves for the part. */
  routes?: readonly ResourceRoute[];
  /** Begins the part's background work. Called once, after the parts that were added earlier have started. */
  start?(): Promise<void> | void;
  /**
   * Releases what the part holds. Called once, also for a part that was never started.
   * @param graceMs time for running requests to finish
   */
  close?(graceMs: number): Promise<void> | void;
}

/** Starts parts in the order in which they were added and closes them in reverse. */
export class Lifecycle {
  readonly #modules: Module[] = [];
  #starting: Promise<void> | null = null;
  #closing: Promise<void> | null = null;

  /** Remembers the part from now on: `close` closes it even if a part that is created later fails. */
  add<M extends Module>(module: M): M {
    if (this.#starting !== null || this.#closing !== null) {
      throw new Error("A part can't be added once the lifecycle has started or closed.");
    }
    this.#modules.push(module);
    return module;
  }

  /** Adds a resource: its service, with `start` and `close` where it has them, and the routes that expose it. */
  addResource<S extends object>(service: S, routes: (service: S) => readonly ResourceRoute[]): S {
    const { start, close } = service as Module;
    this.add({
      routes: routes(service),
      start: () => start?.call(service),
      close: (graceMs) => close?.call(service, graceMs),
    });
    return service;
  }

  routes(): ResourceRoute[] {
    return this.#modules.flatMap(({ routes = [] }) => routes);
  }

  /** Starts all parts, one after the other; stops at the first that fails, with its error. Call it once. */
  start(): Promise<void> {
    if (this.#starting !== null || this.#closing !== null) {
      return Promise.reject(new Error("The lifecycle has started or closed already."));
    }
    this.#starting = this.#startAll();
    return this.#starting;
  }

  /**
   * Closes every part exactly once, the newest first, after a start in progress has come to its end. A part that fails
   * to close doesn't keep the others open: the first such error is thrown at the end. Idempotent.
   */
  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#closeAll(graceMs);
    return this.#closing;
  }

  async #startAll(): Promise<void> {
    for (const module of this.#modules) {
      if (this.#closing !== null) throw new Error("The lifecycle was closed before it had started.");
      await module.start?.();
    }
  }

  async #closeAll(graceMs: number): Promise<void> {
    // The caller of `start` gets the error of a failed start.
    await this.#starting?.catch(() => {});
    const errors: unknown[] = [];
    for (const module of this.#modules.toReversed()) {
      try {
        await module.close?.(graceMs);
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
