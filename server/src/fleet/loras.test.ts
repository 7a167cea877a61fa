import { describe, expect, it } from "vitest";
import type { Engine, LoraSource } from "../engine/engine.ts";
import { EngineError } from "../engine/errors.ts";
import { createFakeEngine } from "../engine/fake-engine.ts";
import { FakeClock } from "../lib/clock.ts";
import { AppError } from "../lib/errors.ts";
import { createLog } from "../platform/telemetry/log.ts";
import { DeploymentLoras } from "./loras.ts";
import type { LoraSpec } from "./spec.ts";

/** An engine that supports LoRAs, and the LoRAs that it has loaded; `load` may fail. */
function engineOf(load: (source: LoraSource) => Promise<void> = async () => {}) {
  const loaded = new Map<string, LoraSource>();
  const engine = createFakeEngine({
    async onLoadLora(source) {
      await load(source);
      loaded.set(source.id, source);
    },
  });
  return { engine, loaded };
}

function setUp() {
  const clock = new FakeClock();
  const loras = new DeploymentLoras({
    clock,
    random: () => 1,
    log: createLog("silent"),
    onChange: () => {},
  });
  return { clock, loras };
}

function spec(id: string, overrides: Partial<LoraSpec> = {}): LoraSpec & { fetches: number } {
  const lora = {
    id,
    fetches: 0,
    async fetch() {
      lora.fetches++;
      return `/loras/${id}`;
    },
    ...overrides,
  };
  return lora;
}

async function settle(): Promise<void> {
  for (let i = 0; i < 100; i++) await Promise.resolve();
}

describe("a LoRA of a deployment", () => {
  it("is fetched once and loaded by every engine, also by a later one", async () => {
    const { loras } = setUp();
    const [a, b, c] = [engineOf(), engineOf(), engineOf()];
    const lora = spec("lora", { scale: 0.5 });
    loras.setDesired([lora]);
    expect(loras.statuses()).toEqual({ lora: { state: "loading", message: null } });
    loras.setEngines([a.engine, b.engine]);
    await settle();
    loras.setEngines([a.engine, b.engine, c.engine]);
    await settle();
    for (const { engine, loaded } of [a, b, c]) {
      expect(loaded.get("lora")).toEqual({ id: "lora", path: "/loras/lora", scale: 0.5 });
      expect(loras.isLoaded(engine, "lora")).toBe(true);
    }
    expect(lora.fetches).toBe(1);
    expect(loras.statuses()).toEqual({ lora: { state: "loaded", message: null } });
    loras.assertAvailable("lora");
  });

  it("is unloaded when it is no longer desired", async () => {
    const { loras } = setUp();
    const { engine } = engineOf();
    loras.setDesired([spec("a"), spec("b")]);
    loras.setEngines([engine]);
    await settle();
    loras.setDesired([spec("b")]);
    expect(loras.isLoaded(engine, "a")).toBe(false);
    expect(() => loras.assertAvailable("a")).toThrow(
      expect.objectContaining({ code: "FAILED_PRECONDITION" }),
    );
    await settle();
    expect(engine.loras).toEqual(["b"]);
    expect(loras.statuses()).toEqual({ b: { state: "loaded", message: null } });
  });

  it("is loaded when it becomes desired again during its load", async () => {
    const { loras } = setUp();
    const { engine } = engineOf();
    loras.setDesired([spec("a")]);
    loras.setEngines([engine]);
    loras.setDesired([]);
    loras.setDesired([spec("a")]);
    await settle();
    expect(engine.loras).toEqual(["a"]);
    expect(loras.statuses()).toMatchObject({ a: { state: "loaded" } });
  });

  it("fails for good, with the reason, when it doesn't fit, and harms no other", async () => {
    const { loras, clock } = setUp();
    let attempts = 0;
    const { engine } = engineOf(async ({ id }) => {
      if (id !== "bad") return;
      attempts++;
      throw new EngineError("invalid", "Its rank is 3.");
    });
    loras.setDesired([spec("bad"), spec("good")]);
    loras.setEngines([engine]);
    await settle();
    expect(loras.statuses()).toEqual({
      bad: { state: "failed", message: "Its rank is 3." },
      good: { state: "loaded", message: null },
    });
    expect(() => loras.assertAvailable("bad")).toThrow("bad could not be loaded: Its rank is 3.");
    clock.advance(600_000);
    await settle();
    expect(attempts).toBe(1);
    loras.resetFailures();
    loras.setEngines([engine]);
    await settle();
    expect(attempts).toBe(2);
  });

  it("is fetched again with growing waits after a failure", async () => {
    const { loras, clock } = setUp();
    const { engine } = engineOf();
    const failures = [new AppError("UNAVAILABLE", "The store is down."), new Error("ENOENT /secret")];
    const lora = spec("lora", {
      async fetch() {
        const failure = failures.shift();
        if (failure !== undefined) throw failure;
        return "/here";
      },
    });
    loras.setDesired([lora]);
    loras.setEngines([engine]);
    await settle();
    expect(loras.statuses()).toEqual({ lora: { state: "failed", message: "The store is down." } });
    clock.advance(5_000);
    await settle();
    expect(loras.statuses()).toEqual({
      lora: { state: "failed", message: "The LoRA can't be fetched or loaded." },
    });
    clock.advance(9_999);
    await settle();
    expect(loras.statuses().lora!.state).toBe("failed");
    clock.advance(1);
    await settle();
    expect(loras.statuses()).toEqual({ lora: { state: "loaded", message: null } });
  });

  it("has not failed when the engine ends during its load", async () => {
    const { loras, clock } = setUp();
    const dying = engineOf(async () => {
      throw new EngineError("unavailable", "The model's process has ended.");
    });
    loras.setDesired([spec("lora")]);
    loras.setEngines([dying.engine]);
    await settle();
    expect(loras.statuses()).toEqual({ lora: { state: "loading", message: null } });
    loras.setEngines([engineOf().engine]);
    clock.advance(5_000);
    await settle();
    expect(loras.statuses()).toEqual({ lora: { state: "loaded", message: null } });
  });

  it("fails when the engine supports no LoRAs", async () => {
    const { loras } = setUp();
    loras.setDesired([spec("lora")]);
    const engine: Engine = createFakeEngine();
    Object.assign(engine, { loadLora: undefined });
    loras.setEngines([engine]);
    await settle();
    expect(loras.statuses().lora).toEqual({
      state: "failed",
      message: "The engine of this model does not support LoRAs.",
    });
  });

  it("counts as loaded while no replica runs", async () => {
    const { loras } = setUp();
    loras.setDesired([spec("lora")]);
    loras.setEngines([engineOf().engine]);
    await settle();
    loras.setEngines([]);
    expect(loras.statuses().lora!.state).toBe("loaded");
    loras.assertAvailable("lora");
  });
});

it("at most four LoRAs of a replica are loaded at the same time", async () => {
  const { loras } = setUp();
  let [busy, most] = [0, 0];
  const { engine } = engineOf(async () => {
    most = Math.max(most, ++busy);
    await Promise.resolve();
    busy--;
  });
  loras.setDesired(Array.from({ length: 50 }, (_, i) => spec(`lora-${i}`)));
  loras.setEngines([engine]);
  for (let i = 0; i < 20; i++) await settle();
  expect(engine.loras).toHaveLength(50);
  expect(most).toBeLessThanOrEqual(4);
});

it("the fetch of a LoRA is aborted when the LoRA is no longer desired", async () => {
  const { loras } = setUp();
  let signal: AbortSignal | null = null;
  const lora = spec("lora", {
    fetch(fetchSignal) {
      signal = fetchSignal;
      return new Promise((_, reject) =>
        fetchSignal.addEventListener("abort", () => reject(fetchSignal.reason)),
      );
    },
  });
  loras.setDesired([lora]);
  loras.setEngines([engineOf().engine]);
  await settle();
  loras.close();
  await settle();
  expect(signal!.aborted).toBe(true);
  expect(loras.statuses()).toEqual({});
});
