import { describe, expect, it } from "vitest";
import { FakeClock } from "../../lib/clock.ts";
import { RequestQueue } from "./request-queue.ts";

const never = new AbortController().signal;
const late = () => new Error("too late");

function setUp() {
  const clock = new FakeClock();
  return { clock, room: new RequestQueue(clock, 2) };
}

describe("a waiting request", () => {
  it("is served in the order of arrival, as far as there is capacity", async () => {
    const { room } = setUp();
    let free = 0;
    const served: string[] = [];
    const wait = (name: string) =>
      room.enqueue(() => (free-- > 0 ? served.push(name) : null), 1000, never, late);
    const all = [wait("a"), wait("b")];
    expect(room.size).toBe(2);
    expect(room.isFull).toBe(true);
    free = 1;
    room.retryAll();
    expect(served).toEqual(["a"]);
    expect(room.size).toBe(1);
    free = 5;
    room.retryAll();
    expect(await Promise.all(all)).toEqual([1, 2]);
    expect(served).toEqual(["a", "b"]);
  });

  it("comes after all others when it has low priority, and counts like them", async () => {
    const { room } = setUp();
    let free = 0;
    const served: string[] = [];
    const wait = (name: string, priority?: "low") =>
      room.enqueue(() => (free-- > 0 ? served.push(name) : null), 1000, never, late, priority);
    const all = [wait("low", "low"), wait("a")];
    expect(room.isFull).toBe(true);
    free = 1;
    room.retryAll();
    expect(served).toEqual(["a"]);
    free = 1;
    room.retryAll();
    await Promise.all(all);
    expect(served).toEqual(["a", "low"]);
    expect(room.size).toBe(0);
  });

  it("gets the error of a failed attempt", async () => {
    const { room } = setUp();
    let isHopeless = false;
    const attempt = () => {
      if (isHopeless) throw new Error("hopeless");
      return null;
    };
    const waiting = room.enqueue(attempt, 1000, never, late);
    isHopeless = true;
    room.retryAll();
    await expect(waiting).rejects.toThrow("hopeless");
    expect(room.size).toBe(0);
  });

  it("waits no longer than the limit", async () => {
    const { clock, room } = setUp();
    const waiting = room.enqueue(() => null, 1000, never, late);
    clock.advance(999);
    expect(room.size).toBe(1);
    clock.advance(1);
    await expect(waiting).rejects.toThrow("too late");
    expect(room.size).toBe(0);
  });

  it("may leave the queue, and is then given nothing", async () => {
    const { room } = setUp();
    const leave = new AbortController();
    let attempts = 0;
    const waiting = room.enqueue(() => ++attempts, 1000, leave.signal, late);
    leave.abort(new Error("gone"));
    room.retryAll();
    await expect(waiting).rejects.toThrow("gone");
    expect(attempts).toBe(0);
  });
});
