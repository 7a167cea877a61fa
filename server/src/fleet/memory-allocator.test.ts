import { expect, it } from "vitest";
import { MemoryAllocator } from "./memory-allocator.ts";

/** Asks an allocator of 10 bytes for weights, and records who has them. */
function setUp() {
  const allocator = new MemoryAllocator(10);
  const holding: string[] = [];
  const waits: [string, number][] = [];
  const ask = (path: string, sizeBytes: number, signal = new AbortController().signal) =>
    allocator
      .acquire({ path, sizeBytes }, signal, (freeBytes) => waits.push([path, freeBytes]))
      .then((lease) => {
        holding.push(path);
        return lease;
      });
  return { allocator, holding, waits, ask };
}

it("weights that fit are given at once, and those of one file count once", async () => {
  const { allocator, waits, ask } = setUp();
  const leases = [await ask("a", 6), await ask("a", 6), await ask("b", 4)];
  expect(allocator.freeBytes).toBe(0);
  leases[0]!.release();
  leases[0]!.release();
  expect(allocator.freeBytes).toBe(0);
  leases[1]!.release();
  expect(allocator.freeBytes).toBe(6);
  expect(waits).toEqual([]);
});

it("weights that don't fit beside the others wait for them in order, and a small one does not overtake a large one", async () => {
  const { holding, waits, ask } = setUp();
  const first = await ask("a", 6);
  const large = ask("large", 8);
  const small = ask("small", 2);
  await Promise.resolve();
  expect(waits).toEqual([
    ["large", 4],
    ["small", 4],
  ]);
  first.release();
  await Promise.all([large, small]);
  expect(holding).toEqual(["a", "large", "small"]);
});

it("a waiter that gives up makes room for those behind it", async () => {
  const { holding, ask } = setUp();
  await ask("a", 6);
  const abort = new AbortController();
  const large = ask("large", 8, abort.signal);
  const small = ask("small", 2);
  abort.abort(new Error("no longer wanted"));
  await expect(large).rejects.toThrow("no longer wanted");
  await small;
  expect(holding).toEqual(["a", "small"]);
  await expect(ask("late", 1, abort.signal)).rejects.toThrow("no longer wanted");
});
