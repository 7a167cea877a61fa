import type { LlamaContext, LlamaModel } from "node-llama-cpp";
import { EngineError } from "../../../engine/errors.ts";
import { checkLoraFile, type LoraBaseModel } from "../lora/lora-file.ts";

/**
 * The library's inner functions for adapters: its public ones give a context one set of adapters for life, and each
 * adapter would cost a context. Used only after a test at the start.
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

/** The adapters that are in memory, and the one that is in effect. Nothing may be computed during a call but `check`. */
export class NativeLoras {
  /** What they have to fit. */
  readonly baseModel: LoraBaseModel;
  readonly #model: InnerModel;
  readonly #context: InnerContext;
  readonly #loaded = new Map<number, { lora: NativeLora; scale: number }>();
  #inEffect: number | null = null;
  #lastKey = 0;

  private constructor(base: LoraBaseModel, model: InnerModel, context: InnerContext) {
    this.baseModel = base;
    this.#model = model;
    this.#context = context;
  }

  /** Null where the library has no such functions. That they do what they should is for a test to find out. */
  static of(model: LlamaModel, context: LlamaContext): NativeLoras | null {
    const inner = { model: model as InnerModel, context: context as InnerContext };
    const whole =
      typeof inner.model._llama?._bindings?.AddonModelLora === "function" &&
      typeof inner.model._model?.loadLora === "function" &&
      typeof inner.context._ctx?.setLoras === "function";
    if (!whole) return null;
    const { metadata, fullTensorInfo = [] } = model.fileInfo;
    const shapes = fullTensorInfo.map(({ name, dimensions }) => [name, dimensions.map(Number)] as const);
    const base = { architecture: metadata.general.architecture, tensors: new Map(shapes) };
    return new NativeLoras(base, inner.model, inner.context);
  }

  /** Before `load`: of some files the process would die. @throws EngineError `invalid` with a public message. */
  async check(path: string): Promise<void> {
    await checkLoraFile(path, this.baseModel);
  }

  /** Gives what it is called from now on; never the same again. @throws EngineError `invalid`. */
  async load(path: string, scale: number): Promise<number> {
    const lora = new this.#model._llama!._bindings!.AddonModelLora!(this.#model._model, path);
    try {
      await this.#model._model!.loadLora!(lora);
    } catch (error) {
      throw new EngineError("invalid", "The adapter's file can't be loaded.", error);
    }
    this.#loaded.set(++this.#lastKey, { lora, scale });
    return this.#lastKey;
  }

  /** What is computed from now on is computed with this adapter; null: with none. Whether that is a change: it costs a rebuilt graph. */
  use(key: number | null): boolean {
    if (key === this.#inEffect) return false;
    const loaded = key === null ? [] : [this.#loaded.get(key)!];
    this.#context._ctx!.setLoras!(
      loaded.map(({ lora }) => lora),
      loaded.map(({ scale }) => scale),
    );
    this.#inEffect = key;
    return true;
  }

  async free(key: number): Promise<void> {
    const loaded = this.#loaded.get(key);
    // llama.cpp would go on with what is no longer there.
    if (this.#inEffect === key) this.use(null);
    this.#loaded.delete(key);
    await loaded?.lora.dispose();
  }
}
