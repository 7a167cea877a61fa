import type { EngineEvent } from "../engine/generation.ts";

/** Totals of a deployment since this process applied it. */
export interface DeploymentMeter {
  requests: number;
  generatedTokens: number;
  promptTokens: number;
}

/** How much a replica has delivered. */
export interface ReplicaProgress {
  /** Events of all its generations. */
  events: number;
}

export interface MeteredIteratorOptions {
  meter: DeploymentMeter;
  progress: ReplicaProgress;
  /** Called once: at the last event, at an error, or when the consumer leaves. */
  onEnd: () => void;
}

/**
 * Passes on the events of one generation and counts them. The iterator has no async methods, because these would add a
 * promise to every token.
 */
export class MeteredIterator implements AsyncIterator<EngineEvent> {
  readonly #inner: AsyncIterator<EngineEvent>;
  readonly #meter: DeploymentMeter;
  readonly #progress: ReplicaProgress;
  readonly #onEnd: () => void;
  readonly #onNext: (result: IteratorResult<EngineEvent>) => IteratorResult<EngineEvent>;
  readonly #onError: (error: unknown) => never;
  /** Deltas so far. Each counts as one token until the end event gives the exact usage. */
  #counted = 0;
  #isOver = false;

  constructor(inner: AsyncIterator<EngineEvent>, { meter, progress, onEnd }: MeteredIteratorOptions) {
    this.#inner = inner;
    this.#meter = meter;
    this.#progress = progress;
    this.#onEnd = onEnd;
    this.#onNext = this.#take.bind(this);
    this.#onError = this.#fail.bind(this);
  }

  next(): Promise<IteratorResult<EngineEvent>> {
    return this.#inner.next().then(this.#onNext, this.#onError);
  }

  return(value?: unknown): Promise<IteratorResult<EngineEvent>> {
    const returned = this.#inner.return?.(value) ?? Promise.resolve({ done: true, value });
    return this.#isOver ? returned : returned.finally(() => this.#release());
  }

  #take(result: IteratorResult<EngineEvent>): IteratorResult<EngineEvent> {
    if (result.done) this.#release();
    else this.#count(result.value);
    return result;
  }

  #fail(error: unknown): never {
    this.#release();
    throw error;
  }

  #count(event: EngineEvent): void {
    this.#progress.events++;
    if (event.type === "delta") {
      this.#counted++;
      this.#meter.generatedTokens++;
    } else if (event.type === "end") {
      this.#meter.generatedTokens += event.usage.completionTokens - this.#counted;
      this.#meter.promptTokens += event.usage.promptTokens;
      this.#release();
    }
  }

  #release(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onEnd();
  }
}
