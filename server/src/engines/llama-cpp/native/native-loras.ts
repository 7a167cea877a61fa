import type { LlamaContext, LlamaModel } from "node-llama-cpp";
import { EngineError } from "../../../engine/errors.ts";
import { checkLoraFile, type LoraBaseModel } from "../lora/lora-file.ts";

/**
 * The library's inner functions for LoRAs. Its public ones bind a context to one set of LoRAs for life, so each LoRA would
 * need a context of its own. The inner ones are used only after a self-test at the start.
 */
interface InnerModel {
  _model?: { loadLora?(lora: NativeLora): Promise<void> };
  _llama?: { _bindings?: { AddonModelLora?: new (model: unknown, path: string) => NativeLora } };
}
interface InnerContext {
  _ctx?: { setLoras?(loras: readonly NativeLora[], scales: readonly number[]): void };
}
interface NativeLora {
  dispose(): Promise<void>;
}

/** The LoRAs in memory and the active one. Nothing may be computed during any call but `check`. */
export class NativeLoras {
  /** The model that LoRA files must fit. */
  readonly baseModel: LoraBaseModel;
  readonly #model: InnerModel;
  readonly #context: InnerContext;
  readonly #loaded = new Map<number, { lora: NativeLora; scale: number }>();
  #active: number | null = null;
  #lastKey = 0;

  private constructor(baseModel: LoraBaseModel, model: InnerModel, context: InnerContext) {
    this.baseModel = baseModel;
    this.#model = model;
    this.#context = context;
  }

  /** Null where the library lacks one of the functions. A self-test has to find out whether they behave as expected. */
  static of(model: LlamaModel, context: LlamaContext): NativeLoras | null {
    const inner = { model: model as InnerModel, context: context as InnerContext };
    const complete =
      typeof inner.model._llama?._bindings?.AddonModelLora === "function" &&
      typeof inner.model._model?.loadLora === "function" &&
      typeof inner.context._ctx?.setLoras === "function";
    if (!complete) return null;
    const { metadata, fullTensorInfo = [] } = model.fileInfo;
    const shapes = fullTensorInfo.map(({ name, dimensions }) => [name, dimensions.map(Number)] as const);
    const baseModel = { architecture: metadata.general.architecture, tensors: new Map(shapes) };
    return new NativeLoras(baseModel, inner.model, inner.context);
  }

  /** Must pass before `load`, as llama.cpp ends the process over some bad files. @throws EngineError `invalid` with a public message. */
  async check(path: string): Promise<void> {
    await checkLoraFile(path, this.baseModel);
  }

  /** Returns the LoRA's key, which is never used again. @throws EngineError `invalid`. */
  async load(path: string, scale: number): Promise<number> {
    const lora = new this.#model._llama!._bindings!.AddonModelLora!(this.#model._model, path);
    try {
      await this.#model._model!.loadLora!(lora);
    } catch (error) {
      throw new EngineError("invalid", "The LoRA's file can't be loaded.", error);
    }
    this.#loaded.set(++this.#lastKey, { lora, scale });
    return this.#lastKey;
  }

  /** Makes the LoRA active; null: the base model. Returns whether that is a change, which costs a rebuilt graph. */
  use(key: number | null): boolean {
    if (key === this.#active) return false;
    const loaded = key === null ? [] : [this.#loaded.get(key)!];
    this.#context._ctx!.setLoras!(
      loaded.map(({ lora }) => lora),
      loaded.map(({ scale }) => scale),
    );
    this.#active = key;
    return true;
  }

  /** Frees the LoRA's memory. Unknown keys are ignored. */
  async free(key: number): Promise<void> {
    const loaded = this.#loaded.get(key);
    // llama.cpp would compute with freed memory.
    if (this.#active === key) this.use(null);
    this.#loaded.delete(key);
    await loaded?.lora.dispose();
  }
}
