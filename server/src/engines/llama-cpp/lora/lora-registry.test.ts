import { describe, expect, it } from "vitest";
import { EngineError } from "../../../engine/errors.ts";
import { LoraRegistry } from "./lora-registry.ts";

function harness(limit = 2) {
  const loads: { path: string; done: (error?: EngineError) => void }[] = [];
  const freed: number[] = [];
  const registry = new LoraRegistry({
    limit,
    load: ({ path }) =>
      new Promise((resolve, reject) => {
        const key = loads.length + 1;
        loads.push({ path, done: (error) => (error === undefined ? resolve(key) : reject(error)) });
      }),
    free: async (key) => void freed.push(key),
  });
  const load = async (id: string, path = id) => {
    const loading = registry.load({ id, path });
    loads.at(-1)!.done();
    await loading;
  };
  return { registry, loads, freed, load };
}

const broken = new EngineError("invalid", "It is broken.");

describe("the LoRA registry", () => {
  it("loads an id once, however often and concurrently it is requested", async () => {
    const { registry, loads } = harness();
    const both = [registry.load({ id: "a", path: "p" }), registry.load({ id: "a", path: "p", scale: 1 })];
    loads[0]!.done();
    await Promise.all(both);
    await registry.load({ id: "a", path: "p" });
    expect(loads.length).toBe(1);
    for (const other of [{ path: "q" }, { path: "p", scale: 2 }]) {
      await expect(registry.load({ id: "a", ...other })).rejects.toMatchObject({ code: "invalid" });
    }
  });

  it("refuses a LoRA to requests until it is loaded, and after its load failed", async () => {
    const { registry, loads } = harness();
    const loading = registry.load({ id: "a", path: "p" });
    expect(() => registry.acquire(1, "a")).toThrow('No LoRA "a" is loaded.');
    loads[0]!.done(broken);
    await expect(loading).rejects.toBe(broken);
    expect(() => registry.acquire(1, "a")).toThrow('No LoRA "a" is loaded.');
    const again = registry.load({ id: "a", path: "p" });
    loads[1]!.done();
    await again;
    expect(registry.acquire(1, "a")).toBe(2);
  });

  it("frees an unloaded LoRA once, when its last request has ended", async () => {
    const { registry, freed, load } = harness();
    await load("a");
    registry.acquire(1, "a");
    registry.acquire(2, "a");
    await registry.unload("a");
    await registry.unload("a");
    registry.release(1);
    registry.release(1);
    expect(freed).toEqual([]);
    registry.release(2);
    registry.release(3);
    expect(freed).toEqual([1]);
  });

  it("loads another LoRA under the same id while the unloaded one is still in use", async () => {
    const { registry, freed, load } = harness();
    await load("a", "old");
    registry.acquire(1, "a");
    await registry.unload("a");
    await load("a", "new");
    expect(registry.acquire(2, "a")).toBe(2);
    registry.release(1);
    expect(freed).toEqual([1]);
  });

  it("frees a LoRA at once that was unloaded while it was loading", async () => {
    const { registry, loads, freed } = harness();
    const loading = registry.load({ id: "a", path: "p" });
    await registry.unload("a");
    loads[0]!.done();
    await loading;
    expect(freed).toEqual([1]);
  });

  it("counts unloaded LoRAs that are still in use towards the limit", async () => {
    const { registry, load } = harness(1);
    await load("a");
    registry.acquire(1, "a");
    await registry.unload("a");
    await expect(registry.load({ id: "b", path: "b" })).rejects.toMatchObject({ code: "overloaded" });
    registry.release(1);
    await load("b");
  });
});
