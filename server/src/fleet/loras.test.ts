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
function engineOf(load: (adapter: LoraSource) => Promise<void> = async () => {}) {
  const given = new Map<string, LoraSource>();
  const engine = createFakeEngine({
    async onLoadLora(adapter) {
      await load(adapter);
      given.set(adapter.id, adapter);
    },
  });
  return { engine, given };
}

function setUp() {
  const clock = new FakeClock();
  const adapters = new DeploymentLoras({
    clock,
    random: () => 1,
    log: createLog("silent"),
    onChange: () => {},
  });
  return { clock, adapters };
}

function spec(id: string, overrides: Partial<LoraSpec> = {}): LoraSpec & { fetches: number } {
  const lora = {
    id,
    fetches: 0,
    async fetch() {
      lora.fetches++;
      return `/adapters/${id}`;
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
    const { adapters } = setUp();
    const [a, b, c] = [engineOf(), engineOf(), engineOf()];
    const lora = spec("lora", { scale: 0.5 });
    adapters.setDesired([lora]);
    expect(adapters.statuses()).toEqual({ lora: { state: "loading", message: null } });
    adapters.setEngines([a.engine, b.engine]);
    await settle();
    adapters.setEngines([a.engine, b.engine, c.engine]);
    await settle();
    for (const { engine, given } of [a, b, c]) {
      expect(given.get("lora")).toEqual({ id: "lora", path: "/adapters/lora", scale: 0.5 });
      expect(adapters.isLoaded(engine, "lora")).toBe(true);
    }
    expect(lora.fetches).toBe(1);
    expect(adapters.statuses()).toEqual({ lora: { state: "loaded", message: null } });
    adapters.assertAvailable("lora");
  });

  it("is unloaded when it is no longer desired", async () => {
    const { adapters } = setUp();
    const { engine } = engineOf();
    adapters.setDesired([spec("a"), spec("b")]);
    adapters.setEngines([engine]);
    await settle();
    adapters.setDesired([spec("b")]);
    expect(adapters.isLoaded(engine, "a")).toBe(false);
    expect(() => adapters.assertAvailable("a")).toThrow(
      expect.objectContaining({ code: "FAILED_PRECONDITION" }),
    );
    await settle();
    expect(engine.loras).toEqual(["b"]);
    expect(adapters.statuses()).toEqual({ b: { state: "loaded", message: null } });
  });

  it("is loaded when it becomes desired again during its load", async () => {
    const { adapters } = setUp();
    const { engine } = engineOf();
    adapters.setDesired([spec("a")]);
    adapters.setEngines([engine]);
    adapters.setDesired([]);
    adapters.setDesired([spec("a")]);
    await settle();
    expect(engine.loras).toEqual(["a"]);
    expect(adapters.statuses()).toMatchObject({ a: { state: "loaded" } });
  });

  it("fails for good, with the reason, when it doesn't fit, and harms no other", async () => {
    const { adapters, clock } = setUp();
    let attempts = 0;
    const { engine } = engineOf(async ({ id }) => {
      if (id !== "bad") return;
      attempts++;
      throw new EngineError("invalid", "Its rank is 3.");
    });
    adapters.setDesired([spec("bad"), spec("good")]);
    adapters.setEngines([engine]);
    await settle();
    expect(adapters.statuses()).toEqual({
      bad: { state: "failed", message: "Its rank is 3." },
      good: { state: "loaded", message: null },
    });
    expect(() => adapters.assertAvailable("bad")).toThrow("bad could not be loaded: Its rank is 3.");
    clock.advance(600_000);
    await settle();
    expect(attempts).toBe(1);
    adapters.resetFailures();
    adapters.setEngines([engine]);
    await settle();
    expect(attempts).toBe(2);
  });

  it("is fetched again with growing waits after a failure", async () => {
    const { adapters, clock } = setUp();
    const { engine } = engineOf();
    const failures = [new AppError("UNAVAILABLE", "The store is down."), new Error("ENOENT /secret")];
    const lora = spec("lora", {
      async fetch() {
        const failure = failures.shift();
        if (failure !== undefined) throw failure;
        return "/here";
      },
    });
    adapters.setDesired([lora]);
    adapters.setEngines([engine]);
    await settle();
    expect(adapters.statuses()).toEqual({ lora: { state: "failed", message: "The store is down." } });
    clock.advance(5_000);
    await settle();
    expect(adapters.statuses()).toEqual({ lora: { state: "failed", message: "The adapter can't be had." } });
    clock.advance(9_999);
    await settle();
    expect(adapters.statuses().lora!.state).toBe("failed");
    clock.advance(1);
    await settle();
    expect(adapters.statuses()).toEqual({ lora: { state: "loaded", message: null } });
  });

  it("has not failed when the engine ends during its load", async () => {
    const { adapters, clock } = setUp();
    const dying = engineOf(async () => {
      throw new EngineError("unavailable", "The model's process has ended.");
    });
    adapters.setDesired([spec("lora")]);
    adapters.setEngines([dying.engine]);
    await settle();
    expect(adapters.statuses()).toEqual({ lora: { state: "loading", message: null } });
    adapters.setEngines([engineOf().engine]);
    clock.advance(5_000);
    await settle();
    expect(adapters.statuses()).toEqual({ lora: { state: "loaded", message: null } });
  });

  it("fails when the engine supports no LoRAs", async () => {
    const { adapters } = setUp();
    adapters.setDesired([spec("lora")]);
    const engine: Engine = createFakeEngine();
    Object.assign(engine, { loadLora: undefined });
    adapters.setEngines([engine]);
    await settle();
    expect(adapters.statuses().lora).toEqual({
      state: "failed",
      message: "The engine of this model takes no adapters.",
    });
  });

  it("counts as loaded while no replica runs", async () => {
    const { adapters } = setUp();
    adapters.setDesired([spec("lora")]);
    adapters.setEngines([engineOf().engine]);
    await settle();
    adapters.setEngines([]);
    expect(adapters.statuses().lora!.state).toBe("loaded");
    adapters.assertAvailable("lora");
  });
});

it("at most four LoRAs of a replica are loaded at the same time", async () => {
  const { adapters } = setUp();
  let [busy, most] = [0, 0];
  const { engine } = engineOf(async () => {
    most = Math.max(most, ++busy);
    await Promise.resolve();
    busy--;
  });
  adapters.setDesired(Array.from({ length: 50 }, (_, i) => spec(`lora-${i}`)));
  adapters.setEngines([engine]);
  for (let i = 0; i < 20; i++) await settle();
  expect(engine.loras).toHaveLength(50);
  expect(most).toBeLessThanOrEqual(4);
});

it("the fetch of a LoRA is aborted when the LoRA is no longer desired", async () => {
  const { adapters } = setUp();
  let signal: AbortSignal | null = null;
  const lora = spec("lora", {
    fetch(given) {
      signal = given;
      return new Promise((_, reject) => given.addEventListener("abort", () => reject(given.reason)));
    },
  });
  adapters.setDesired([lora]);
  adapters.setEngines([engineOf().engine]);
  await settle();
  adapters.close();
  await settle();
  expect(signal!.aborted).toBe(true);
  expect(adapters.statuses()).toEqual({});
});
