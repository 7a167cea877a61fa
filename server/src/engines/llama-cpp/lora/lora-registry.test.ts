import { describe, expect, it } from "vitest";
import { EngineError } from "../../../engine/errors.ts";
import { LoraRegistry } from "./lora-registry.ts";

function harness(limit = 2) {
  const loads: { path: string; done: (error?: EngineError) => void }[] = [];
  const freed: number[] = [];
  const adapters = new LoraRegistry({
    limit,
    load: ({ path }) =>
      new Promise((resolve, reject) => {
        const key = loads.length + 1;
        loads.push({ path, done: (error) => (error === undefined ? resolve(key) : reject(error)) });
      }),
    free: async (key) => void freed.push(key),
  });
  const load = async (id: string, path = id) => {
    const loading = adapters.load({ id, path });
    loads.at(-1)!.done();
    await loading;
  };
  return { adapters, loads, freed, load };
}

const broken = new EngineError("invalid", "It is broken.");

describe("the adapters of an engine", () => {
  it("are loaded once for one id and file, however often and at once they are asked for", async () => {
    const { adapters, loads } = harness();
    const both = [adapters.load({ id: "a", path: "p" }), adapters.load({ id: "a", path: "p", scale: 1 })];
    loads[0]!.done();
    await Promise.all(both);
    await adapters.load({ id: "a", path: "p" });
    expect(loads.length).toBe(1);
    for (const other of [{ path: "q" }, { path: "p", scale: 2 }]) {
      await expect(adapters.load({ id: "a", ...other })).rejects.toMatchObject({ code: "invalid" });
    }
  });

  it("are nothing to a request until they are loaded, nor after they failed to be", async () => {
    const { adapters, loads } = harness();
    const loading = adapters.load({ id: "a", path: "p" });
    expect(() => adapters.acquire(1, "a")).toThrow('No adapter "a" is loaded.');
    loads[0]!.done(broken);
    await expect(loading).rejects.toBe(broken);
    expect(() => adapters.acquire(1, "a")).toThrow('No adapter "a" is loaded.');
    const again = adapters.load({ id: "a", path: "p" });
    loads[1]!.done();
    await again;
    expect(adapters.acquire(1, "a")).toBe(2);
  });

  it("are freed when they are unloaded and the last request with them is over, once", async () => {
    const { adapters, freed, load } = harness();
    await load("a");
    adapters.acquire(1, "a");
    adapters.acquire(2, "a");
    await adapters.unload("a");
    await adapters.unload("a");
    adapters.release(1);
    adapters.release(1);
    expect(freed).toEqual([]);
    adapters.release(2);
    adapters.release(3);
    expect(freed).toEqual([1]);
  });

  it("may come again under the same id while the old one is still in use", async () => {
    const { adapters, freed, load } = harness();
    await load("a", "old");
    adapters.acquire(1, "a");
    await adapters.unload("a");
    await load("a", "new");
    expect(adapters.acquire(2, "a")).toBe(2);
    adapters.release(1);
    expect(freed).toEqual([1]);
  });

  it("are freed at once when they were unloaded while they were loading", async () => {
    const { adapters, loads, freed } = harness();
    const loading = adapters.load({ id: "a", path: "p" });
    await adapters.unload("a");
    loads[0]!.done();
    await loading;
    expect(freed).toEqual([1]);
  });

  it("are no more than the limit, those in use included", async () => {
    const { adapters, load } = harness(1);
    await load("a");
    adapters.acquire(1, "a");
    await adapters.unload("a");
    await expect(adapters.load({ id: "b", path: "b" })).rejects.toMatchObject({ code: "overloaded" });
    adapters.release(1);
    await load("b");
  });
});
