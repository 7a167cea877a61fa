import { EngineError, type GenerateRequest } from "../../engine/port.ts";
import type { Clock } from "../../lib/clock.ts";
import { type LoadedModel, loadModel } from "./load.ts";
import type { LlamaCppOptions } from "./options.ts";
import { Outbox } from "./outbox.ts";
import { type FromChild, type ToChild, toFailure } from "./protocol.ts";
import { generationSpec } from "./request.ts";
import { Scheduler } from "./scheduler.ts";

/** The engine's side of the channel: answers the platform's messages with one loaded model. */
export class Host {
  readonly #outbox: Outbox;
  readonly #clock: Clock;
  readonly #exit: () => void;
  #loaded: { model: LoadedModel; scheduler: Scheduler } | null = null;

  constructor(send: (message: FromChild) => void, clock: Clock, exit: () => void) {
    this.#outbox = new Outbox(send);
    this.#clock = clock;
    this.#exit = exit;
  }

  receive(message: ToChild): void {
    switch (message.type) {
      case "load":
        void this.#load(message.options);
        return;
      case "generate":
        this.#generate(message.id, message.request);
        return;
      case "abort":
        this.#loaded?.scheduler.abort(message.id);
        return;
      case "tokenize":
        this.#tokenize(message.id, message.text);
        return;
      case "ping": {
        const active = this.#loaded?.scheduler.active ?? 0;
        this.#outbox.message({ type: "pong", id: message.id, active });
        return;
      }
      case "close":
        this.#exit();
    }
  }

  async #load(options: LlamaCppOptions): Promise<void> {
    try {
      const model = await loadModel(options, this.#clock);
      const scheduler = new Scheduler({
        backend: model.backend,
        queueLimit: model.options.queueLimit,
        slices: model.slices,
        clock: this.#clock,
        emit: (event) => this.#outbox.event(event),
        turn: () => new Promise((resolve) => setImmediate(resolve)),
      });
      this.#loaded = { model, scheduler };
      const { capabilities } = model.backend;
      this.#outbox.message({ type: "loaded", model: model.info, capabilities });
    } catch (error) {
      this.#outbox.message({ type: "load-failed", ...toFailure(error) });
    }
  }

  #generate(id: number, request: GenerateRequest): void {
    try {
      const { model, scheduler } = this.#ready();
      scheduler.submit(generationSpec(id, request, model));
    } catch (error) {
      this.#outbox.event({ id, event: { type: "error", ...toFailure(error) } });
    }
  }

  #tokenize(id: number, text: string): void {
    try {
      this.#outbox.message({ type: "tokens", id, tokens: this.#ready().model.tokenizer.tokenize(text) });
    } catch (error) {
      this.#outbox.message({ type: "tokenize-failed", id, ...toFailure(error) });
    }
  }

  #ready(): { model: LoadedModel; scheduler: Scheduler } {
    if (this.#loaded === null) throw new EngineError("unavailable", "The model is still being loaded.");
    return this.#loaded;
  }
}
