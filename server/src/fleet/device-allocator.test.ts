import { describe, expect, it } from "vitest";
import { DeviceAllocator, type DeviceLease } from "./device-allocator.ts";

const never = new AbortController().signal;
const H100 = "NVIDIA_H100_80GB";
const A100 = "NVIDIA_A100_80GB";
const MI300 = "AMD_MI300X_192GB";
const host = (...accelerators: [string, number][]) =>
  new DeviceAllocator({ accelerators: new Map(accelerators) });
const devicesOf = (lease: DeviceLease) => Object.entries(lease.env)[0];

/** Acquires devices; also returns the messages of the wait. */
function take(allocator: DeviceAllocator, type: string, count: number, signal = never) {
  const waits: string[] = [];
  const lease = allocator.acquire({ type, count }, signal, ({ message }) => waits.push(message));
  return { lease, waits };
}

describe("accelerators", () => {
  it("are leased to one replica at a time, which sees no others", async () => {
    const allocator = host([H100, 4]);
    const [a, b] = [await take(allocator, H100, 2).lease, await take(allocator, H100, 1).lease];
    expect(devicesOf(a)).toEqual(["CUDA_VISIBLE_DEVICES", "0,1"]);
    expect(devicesOf(b)).toEqual(["CUDA_VISIBLE_DEVICES", "2"]);
    expect(allocator.status().accelerators).toEqual([{ type: H100, total: 4, free: 1 }]);
    a.release();
    a.release();
    expect(allocator.status().accelerators).toEqual([{ type: H100, total: 4, free: 3 }]);
    expect(devicesOf(await take(allocator, H100, 3).lease)).toEqual(["CUDA_VISIBLE_DEVICES", "0,1,3"]);
  });

  it("are numbered by maker, in the order declared", async () => {
    const allocator = host([H100, 2], [MI300, 1], [A100, 2]);
    expect(devicesOf(await take(allocator, A100, 2).lease)).toEqual(["CUDA_VISIBLE_DEVICES", "2,3"]);
    expect(devicesOf(await take(allocator, MI300, 1).lease)).toEqual(["HIP_VISIBLE_DEVICES", "0"]);
  });

  it("are leased first come, first served when they are in use", async () => {
    const allocator = host([H100, 2]);
    const held = await take(allocator, H100, 1).lease;
    const [two, later] = [take(allocator, H100, 2), take(allocator, H100, 1)];
    expect(two.waits).toEqual([`Waiting for 2 ${H100}; 1 of this host's are free.`]);
    expect(later.waits).toHaveLength(1);
    held.release();
    const both = await two.lease;
    expect(devicesOf(both)).toEqual(["CUDA_VISIBLE_DEVICES", "0,1"]);
    both.release();
    expect(devicesOf(await later.lease)).toEqual(["CUDA_VISIBLE_DEVICES", "0"]);
  });

  it("are not blocked by a replica that gave up waiting", async () => {
    const allocator = host([H100, 1]);
    const first = await take(allocator, H100, 1).lease;
    const leave = new AbortController();
    const [second, third] = [take(allocator, H100, 1, leave.signal), take(allocator, H100, 1)];
    leave.abort(new Error("gone"));
    await expect(second.lease).rejects.toThrow("gone");
    first.release();
    expect(devicesOf(await third.lease)).toEqual(["CUDA_VISIBLE_DEVICES", "0"]);
  });

  it("are reported as missing, with numbers, when the host doesn't have them", () => {
    expect(host().shortage({ type: A100, count: 1 })).toEqual({
      message: `This host has no accelerators; a replica needs 1 ${A100}.`,
      requestMessage: `A replica needs 1 ${A100}, which this host lacks.`,
    });
    expect(host([H100, 2]).shortage({ type: H100, count: 4 })?.message).toBe(
      `A replica needs 4 ${H100}; this host has 2 ${H100}.`,
    );
    expect(host([H100, 2], [MI300, 1]).shortage({ type: A100, count: 1 })?.message).toBe(
      `A replica needs 1 ${A100}; this host has 2 ${H100}, 1 ${MI300}.`,
    );
    expect(host([H100, 2]).shortage({ type: H100, count: 2 })).toBeNull();
  });

  it("don't delay replicas that need none", async () => {
    const lease = await host().acquire(null, never, () => {});
    expect(lease.env).toEqual({});
    lease.release();
  });
});

it("the host is described", () => {
  const status = new DeviceAllocator({ region: "EU_PARIS_1" }).status();
  expect(status).toMatchObject({ region: "EU_PARIS_1", accelerators: [] });
  expect(status.cpuCount).toBeGreaterThanOrEqual(1);
  expect(status.memoryBytes).toBeGreaterThan(1e8);
});
