import { describe, expect, test } from "vitest";
import { Singleflight } from "./singleflight.ts";

function pending() {
  const starts: AbortSignal[] = [];
  let settle = (_value: string): void => {};
  let sendMessage = (_message: string): void => {};
  const work = (signal: AbortSignal, report: (message: string) => void): Promise<string> => {
    starts.push(signal);
    sendMessage = report;
    return new Promise((resolve, reject) => {
      settle = resolve;
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  };
  return {
    starts,
    work,
    settle: (value: string) => settle(value),
    sendMessage: (message: string) => sendMessage(message),
  };
}

const { signal } = new AbortController();

describe("singleflight work", () => {
  test("runs once for concurrent callers and again for later ones", async () => {
    const shared = new Singleflight<string>();
    const { starts, work, settle } = pending();
    const both = [shared.run("a", signal, work), shared.run("a", signal, work)];
    const other = shared.run("b", signal, async () => "other");
    await other;
    settle("done");
    expect(await Promise.all(both)).toEqual(["done", "done"]);
    expect(starts).toHaveLength(1);
    const later = shared.run("a", signal, work);
    expect(starts).toHaveLength(2);
    settle("again");
    expect(await later).toBe("again");
  });

  test("continues while one caller waits, is aborted when none does, and can be started again", async () => {
    const shared = new Singleflight<string>();
    const { starts, work, settle } = pending();
    const [one, two] = [new AbortController(), new AbortController()];
    const first = shared.run("a", one.signal, work);
    const second = shared.run("a", two.signal, work);
    one.abort(new Error("left"));
    await expect(first).rejects.toThrow("left");
    expect(starts[0]?.aborted).toBe(false);
    two.abort(new Error("left too"));
    await expect(second).rejects.toThrow("left too");
    expect(starts[0]?.aborted).toBe(true);
    const third = shared.run("a", signal, work);
    await expect.poll(() => starts.length).toBe(2);
    settle("new");
    expect(await third).toBe("new");
  });

  test("reports its progress to every caller, and fails for all of them", async () => {
    const shared = new Singleflight<string>();
    const heard: string[] = [];
    const { work, sendMessage } = pending();
    const abort = new AbortController();
    const runs = ["x", "y"].map((name) =>
      shared.run("a", abort.signal, work, (message) => heard.push(name + message)),
    );
    sendMessage("1");
    abort.abort(new Error("gone"));
    sendMessage("2");
    expect((await Promise.allSettled(runs)).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(heard.slice(0, 2)).toEqual(["x1", "y1"]);
  });
});
