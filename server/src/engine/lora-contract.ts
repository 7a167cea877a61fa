import { describe, expect, it } from "vitest";
import { type ContractSubject, type GetSubject, type MakeRequest, runGeneration } from "./contract.ts";
import type { Engine } from "./port.ts";

const [RED, BLUE] = ["contract/red", "contract/blue"];

/** What an engine must do that lists the feature `lora`. */
export function describeLoras(use: GetSubject, request: MakeRequest): void {
  const makers = {
    loaded: () => withLoras(use()),
    write: async (engine: Engine, adapter?: string) =>
      (await runGeneration(engine, request({ ...of(adapter), maxTokens: 8 }))).texts[0]!,
  };
  describe("and of adapters, where it has them", () => {
    describeOutputs(makers, request);
    describeLoading(makers, request);
  });
}

interface Makers {
  loaded(): Promise<Subject | null>;
  write(engine: Engine, adapter?: string): Promise<string>;
}

interface Subject {
  engine: Required<Engine>;
  paths: readonly string[];
  broken: string;
}

/** Its engine with both adapters loaded; null where it has none. */
async function withLoras({ engine, loras: adapters }: ContractSubject): Promise<Subject | null> {
  if (!engine.capabilities.features.includes("lora")) return null;
  if (adapters === undefined) throw new Error("the subject of an engine with adapters must have some");
  const whole = engine as Required<Engine>;
  await whole.loadLora({ id: RED, path: adapters.paths[0] });
  await whole.loadLora({ id: BLUE, path: adapters.paths[1] });
  return { engine: whole, ...adapters };
}

function of(adapter: string | undefined): { lora?: string } {
  return adapter === undefined ? {} : { lora: adapter };
}

function describeOutputs({ loaded, write }: Makers, request: MakeRequest): void {
  it("writes another text with each, and without one what it always did", async () => {
    const subject = await loaded();
    if (subject === null) return expect.assertions(0);
    const { engine } = subject;
    const [plain, red, blue] = [await write(engine), await write(engine, RED), await write(engine, BLUE)];
    expect(new Set([plain, red, blue]).size).toBe(3);
    expect([await write(engine, RED), await write(engine), await write(engine, BLUE)]).toEqual([
      red,
      plain,
      blue,
    ]);
  });

  it("mixes nothing up when requests with several run at the same time", async () => {
    const subject = await loaded();
    if (subject === null) return expect.assertions(0);
    const { engine } = subject;
    const order = [RED, undefined, BLUE, RED, BLUE, undefined];
    const alone = new Map<string | undefined, string>();
    for (const adapter of [undefined, RED, BLUE]) alone.set(adapter, await write(engine, adapter));
    const together = await Promise.all(order.map((adapter) => write(engine, adapter)));
    expect(together).toEqual(order.map((adapter) => alone.get(adapter)));
  });

  it("reuses nothing that another adapter, or none, computed", async () => {
    const subject = await loaded();
    if (subject === null || !subject.engine.capabilities.features.includes("cacheScope")) {
      return expect.assertions(0);
    }
    const cached = async (adapter?: string) => {
      const scoped = request({ ...of(adapter), cacheScope: "contract-adapters", maxTokens: 2 });
      return (await runGeneration(subject.engine, scoped)).end.usage.cachedTokens;
    };
    expect([await cached(), await cached(RED), await cached(BLUE)]).toEqual([0, 0, 0]);
    expect(await cached(RED)).toBeGreaterThan(0);
  });
}

function describeLoading({ loaded, write }: Makers, request: MakeRequest): void {
  it("refuses one it doesn't have by its name", async () => {
    const subject = await loaded();
    if (subject === null) return expect.assertions(0);
    const unknown = runGeneration(subject.engine, request({ lora: "contract/unknown" }));
    await expect(unknown).rejects.toMatchObject({
      code: "invalid",
      message: expect.stringContaining("contract/unknown"),
      retryable: false,
    });
  });

  it("lets those that run with one finish when it is unloaded, and refuses later ones", async () => {
    const subject = await loaded();
    if (subject === null) return expect.assertions(0);
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

  it("refuses a file it can't use in words for everyone, and serves on", async () => {
    const subject = await loaded();
    if (subject === null) return expect.assertions(0);
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
