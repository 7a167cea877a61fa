import { EngineError } from "../../../engine/errors.ts";
import type { GenerateRequest } from "../../../engine/generation.ts";
import type { Clock } from "../../../lib/clock.ts";
import { LoraRegistry } from "../lora/lora-registry.ts";
import type { LlamaCppOptions } from "../options.ts";
import { type FromWorker, serializeError, type ToWorker } from "../protocol.ts";
import { LoraRoundRobin } from "../scheduling/lora-round-robin.ts";
import { Scheduler } from "../scheduling/scheduler.ts";
import { EventBatcher } from "./event-batcher.ts";
import { type LoadedModel, loadModel } from "./load-model.ts";
import { toGenerationSpec } from "./request-to-generation-spec.ts";

interface LoadedEngine {
  model: LoadedModel;
  scheduler: Scheduler;
  loraRegistry: LoraRegistry;
}

/** The engine's side of the channel: serves the platform's messages with one loaded model. */
export class EngineWorker {
  readonly #events: EventBatcher;
  readonly #clock: Clock;
  readonly #exit: () => void;
  #loaded: LoadedEngine | null = null;

  constructor(send: (message: FromWorker) => void, clock: Clock, exit: () => void) {
    this.#events = new EventBatcher(send);
    this.#clock = clock;
    this.#exit = exit;
  }

  receive(message: ToWorker): void {
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
        void this.#answer(message.id, async ({ model }) => {
          const tokens = model.tokenizer.tokenize(message.text);
          return { type: "tokens", id: message.id, tokens };
        });
        return;
      case "load-adapter":
        void this.#answer(message.id, async ({ loraRegistry }) => {
          await loraRegistry.load(message.adapter);
          return { type: "done", id: message.id };
        });
        return;
      case "unload-adapter":
        void this.#answer(message.id, async ({ loraRegistry }) => {
          await loraRegistry.unload(message.adapter);
          return { type: "done", id: message.id };
        });
        return;
      case "ping": {
        const active = this.#loaded?.scheduler.active ?? 0;
        this.#events.sendMessage({ type: "pong", id: message.id, active });
        return;
      }
      case "close":
        this.#exit();
    }
  }

  async #load(options: LlamaCppOptions): Promise<void> {
    try {
      const model = await loadModel(options);
      this.#loaded = this.#createEngine(model);
      this.#events.sendMessage({
        type: "loaded",
        model: model.info,
        capabilities: model.backend.capabilities,
      });
    } catch (error) {
      this.#events.sendMessage({ type: "load-failed", ...serializeError(error) });
    }
  }

  #createEngine(model: LoadedModel): LoadedEngine {
    const { backend, chunkSizer, options } = model;
    const scheduler = new Scheduler({
      backend,
      queueLimit: options.queueLimit,
      chunkSizer,
      loraRoundRobin: new LoraRoundRobin(2 * options.prefillChunkTargetMs),
      clock: this.#clock,
      emit: ({ id, event }) => {
        if (event.type === "end" || event.type === "error") loraRegistry.release(id);
        this.#events.addEvent({ id, event });
      },
      yieldToEventLoop: () => new Promise((resolve) => setImmediate(resolve)),
    });
    const loraRegistry = new LoraRegistry({
      limit: options.maxLoras,
      async load({ path, scale = 1 }) {
        const { loras } = backend;
        if (loras === null) throw new EngineError("unsupported", "This engine can't load LoRAs.");
        await loras.check(path);
        return scheduler.runBetweenSteps(() => loras.load(path, scale));
      },
      free: (key) => scheduler.runBetweenSteps(async () => backend.loras?.free(key)),
    });
    return { model, scheduler, loraRegistry };
  }

  #generate(id: number, request: GenerateRequest): void {
    try {
      const { model, scheduler, loraRegistry } = this.#ready();
      const loraKey = request.lora === undefined ? undefined : loraRegistry.acquire(id, request.lora);
      scheduler.submit(toGenerationSpec(id, request, { model, loraKey }));
    } catch (error) {
      this.#loaded?.loraRegistry.release(id);
      this.#events.addEvent({ id, event: { type: "error", ...serializeError(error) } });
    }
  }

  async #answer(id: number, work: (engine: LoadedEngine) => Promise<FromWorker>): Promise<void> {
    try {
      this.#events.sendMessage(await work(this.#ready()));
    } catch (error) {
      this.#events.sendMessage({ type: "failed", id, ...serializeError(error) });
    }
  }

  #ready(): LoadedEngine {
    if (this.#loaded === null) throw new EngineError("unavailable", "The model is still being loaded.");
    return this.#loaded;
  }
}
