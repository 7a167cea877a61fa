import { describe, expect, it, type TestContext } from "vitest";
import { runGeneration } from "./collect-generation.ts";
import { type GetSubject, type MakeRequest, skipWithout } from "./contract-subject.ts";
import type { TextEngine } from "./engine.ts";

const RED = "contract/red";
const BLUE = "contract/blue";

/** The guarantees of an engine with the feature `lora`. */
export function describeLoras(use: GetSubject, request: MakeRequest): void {
  const harness: LoraHarness = {
    async load(test) {
      const { engine, loras } = use();
      skipWithout(test, use(), ["lora"]);
      if (loras === undefined) throw new Error("the subject of an engine with LoRAs must provide LoRA files");
      const loraEngine = engine as Required<TextEngine>;
      await loraEngine.loadLora({ id: RED, path: loras.paths[0] });
      await loraEngine.loadLora({ id: BLUE, path: loras.paths[1] });
      return { engine: loraEngine, ...loras };
    },
    async write(engine, lora) {
      const result = await runGeneration(engine, request({ ...requestLora(lora), maxTokens: 8 }));
      return result.texts[0]!;
    },
  };
  describe("with LoRAs", () => {
    describeOutputs(harness, request);
    describeLoading(harness, request);
  });
}

interface LoraHarness {
  /** Loads both LoRAs; skips the test when the engine has none. */
  load(test: TestContext): Promise<LoraSubject>;
  /** The text that the engine generates with the LoRA; absent: with the base model. */
  write(engine: TextEngine, lora?: string): Promise<string>;
}

interface LoraSubject {
  engine: Required<TextEngine>;
  paths: readonly string[];
  broken: string;
}

function requestLora(lora: string | undefined): { lora?: string } {
  return lora === undefined ? {} : { lora };
}

function describeOutputs({ load, write }: LoraHarness, request: MakeRequest): void {
  it("generates a different text with each LoRA, and the base model's text without one", async (test) => {
    const subject = await load(test);
    const { engine } = subject;
    const [plain, red, blue] = [await write(engine), await write(engine, RED), await write(engine, BLUE)];
    expect(new Set([plain, red, blue]).size).toBe(3);
    expect([await write(engine, RED), await write(engine), await write(engine, BLUE)]).toEqual([
      red,
      plain,
      blue,
    ]);
  });

  it("generates for concurrent requests with different LoRAs what each LoRA generates alone", async (test) => {
    const subject = await load(test);
    const { engine } = subject;
    const order = [RED, undefined, BLUE, RED, BLUE, undefined];
    const alone = new Map<string | undefined, string>();
    for (const lora of [undefined, RED, BLUE]) alone.set(lora, await write(engine, lora));
    const together = await Promise.all(order.map((lora) => write(engine, lora)));
    expect(together).toEqual(order.map((lora) => alone.get(lora)));
  });

  it("reuses no cached prompt of another LoRA or of the base model", async (test) => {
    const subject = await load(test);
    skipWithout(test, subject, ["cacheScope"]);
    const cached = async (lora?: string) => {
      const scoped = request({ ...requestLora(lora), cacheScope: "contract-loras", maxTokens: 2 });
      return (await runGeneration(subject.engine, scoped)).end.usage.cachedTokens;
    };
    expect([await cached(), await cached(RED), await cached(BLUE)]).toEqual([0, 0, 0]);
    expect(await cached(RED)).toBeGreaterThan(0);
  });
}

function describeLoading({ load, write }: LoraHarness, request: MakeRequest): void {
  it("accepts the same file again and refuses another file under the same id", async (test) => {
    const { engine, paths } = await load(test);
    await engine.loadLora({ id: RED, path: paths[0]! });
    await expect(engine.loadLora({ id: RED, path: paths[1]! })).rejects.toMatchObject({ code: "invalid" });
  });

  it("refuses a request with an unknown LoRA by the LoRA's name", async (test) => {
    const subject = await load(test);
    const unknown = runGeneration(subject.engine, request({ lora: "contract/unknown" }));
    await expect(unknown).rejects.toMatchObject({
      code: "invalid",
      message: expect.stringContaining("contract/unknown"),
      retryable: false,
    });
  });

  it("finishes running requests of a LoRA that is unloaded, and refuses later ones", async (test) => {
    const subject = await load(test);
    const { engine, paths } = subject;
    const long = request({ lora: RED });
    const whole = (await runGeneration(engine, long)).texts[0]!;
    let unloaded: Promise<void> | null = null;
    let text = "";
    for await (const event of engine.generate(long, new AbortController().signal)) {
      if (event.type === "delta") {
        text += event.text;
        unloaded ??= engine.unloadLora(RED);
      }
    }
    await unloaded;
    await engine.unloadLora(RED);
    expect(text).toBe(whole);
    await expect(write(engine, RED)).rejects.toMatchObject({ code: "invalid" });
    await engine.loadLora({ id: RED, path: paths[0]! });
    expect((await runGeneration(engine, long)).texts[0]).toBe(whole);
  });

  it("refuses a broken file with a public message and goes on serving", async (test) => {
    const subject = await load(test);
    const { engine, broken } = subject;
    const before = await write(engine);
    const error = await engine
      .loadLora({ id: "contract/broken", path: broken })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: "EngineError", code: "invalid" });
    expect((error as Error).message).not.toContain(broken);
    await expect(write(engine, "contract/broken")).rejects.toMatchObject({ code: "invalid" });
    expect(await write(engine)).toBe(before);
    await engine.health();
  });
}
