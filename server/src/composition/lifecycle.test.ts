import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Lifecycle, type Module } from "./lifecycle.ts";

interface PartPlan {
  hasStart: boolean;
  hasClose: boolean;
  failsToStart: boolean;
  failsToClose: boolean;
  isSlow: boolean;
}

const partPlan: fc.Arbitrary<PartPlan> = fc.record({
  hasStart: fc.boolean(),
  hasClose: fc.boolean(),
  failsToStart: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
  failsToClose: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
  isSlow: fc.boolean(),
});

const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A part that writes `start n`, `started n`, `close n` and `closed n` into the history. */
function part(index: number, plan: PartPlan, history: string[]): Module {
  const run = (verb: string, fails: boolean) => async () => {
    history.push(`${verb} ${index}`);
    if (plan.isSlow) await pause();
    if (fails) throw new Error(`${verb} ${index} failed`);
    history.push(`${verb === "start" ? "started" : "closed"} ${index}`);
  };
  return {
    ...(plan.hasStart ? { start: run("start", plan.failsToStart) } : {}),
    ...(plan.hasClose ? { close: run("close", plan.failsToClose) } : {}),
  };
}

const messageOf = (error: unknown): string => (error as Error).message;
const resultOf = (work: Promise<void>): Promise<string | null> => work.then(() => null, messageOf);
const begun = (history: readonly string[], verb: string): number[] =>
  history.filter((line) => line.startsWith(`${verb} `)).map((line) => Number(line.split(" ")[1]));

describe("the lifecycle", () => {
  it("starts parts in order up to the first that fails, and closes every part once, in reverse", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(partPlan, { maxLength: 8 }), fc.nat(3), async (plans, closes) => {
        const history: string[] = [];
        const lifecycle = new Lifecycle();
        plans.forEach((plan, i) => {
          lifecycle.add(part(i, plan, history));
        });
        const broken = plans.findIndex((plan) => plan.hasStart && plan.failsToStart);
        const startable = plans.flatMap((plan, i) =>
          plan.hasStart && (broken === -1 || i <= broken) ? [i] : [],
        );
        expect(await resultOf(lifecycle.start())).toBe(broken === -1 ? null : `start ${broken} failed`);
        expect(begun(history, "start")).toEqual(startable);

        const closable = plans.flatMap((plan, i) => (plan.hasClose ? [i] : [])).reverse();
        const firstFailure = closable.find((i) => plans[i]?.failsToClose);
        const expected = firstFailure === undefined ? null : `close ${firstFailure} failed`;
        const results = await Promise.all(
          Array.from({ length: closes + 1 }, () => resultOf(lifecycle.close(0))),
        );
        expect(results).toEqual(Array(closes + 1).fill(expected));
        expect(begun(history, "close")).toEqual(closable);
      }),
    );
  });

  it("runs one start or close at a time, also when it is closed in the middle of its start", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(partPlan, { maxLength: 8 }), fc.nat(6), async (plans, pauses) => {
        const history: string[] = [];
        const lifecycle = new Lifecycle();
        plans.forEach((plan, i) => {
          lifecycle.add(part(i, { ...plan, failsToStart: false, failsToClose: false }, history));
        });
        const started = resultOf(lifecycle.start());
        for (let i = 0; i < pauses; i++) await pause();
        await lifecycle.close(0);
        await started;
        for (let i = 0; i < history.length; i += 2) {
          const [verb, index] = (history[i] as string).split(" ");
          expect(history[i + 1]).toBe(`${verb === "start" ? "started" : "closed"} ${index}`);
        }
        const firstClose = history.findIndex((line) => line.startsWith("close "));
        if (firstClose !== -1) expect(begun(history.slice(firstClose), "start")).toEqual([]);
        const closable = plans.flatMap((plan, i) => (plan.hasClose ? [i] : [])).reverse();
        expect(begun(history, "close")).toEqual(closable);
      }),
    );
  });

  it("closes the parts that exist when a later one can't be created", async () => {
    const history: string[] = [];
    const lifecycle = new Lifecycle();
    lifecycle.add({ close: (graceMs) => void history.push(`first, ${graceMs} ms`) });
    lifecycle.add({ close: (graceMs) => void history.push(`second, ${graceMs} ms`) });
    await lifecycle.close(250);
    expect(history).toEqual(["second, 250 ms", "first, 250 ms"]);
  });

  it("refuses a part and a second start once it has started or closed", async () => {
    const started = new Lifecycle();
    await started.start();
    expect(() => started.add({})).toThrow("can't be added");
    await expect(started.start()).rejects.toThrow("started or closed already");
    const closed = new Lifecycle();
    await closed.close(0);
    expect(() => closed.add({})).toThrow("can't be added");
    await expect(closed.start()).rejects.toThrow("started or closed already");
  });

  it("collects the routes of its parts and keeps a resource's `this`", async () => {
    class Notes {
      state = "created";
      start(): void {
        this.state = "started";
      }
      close(): void {
        this.state = "closed";
      }
    }
    const lifecycle = new Lifecycle();
    const route = {
      operationId: "listNotes",
      method: "GET" as const,
      path: "/v1/notes",
      handle: async () => ({}),
    };
    const notes = lifecycle.addResource(new Notes(), () => [route]);
    expect(lifecycle.routes()).toEqual([route]);
    await lifecycle.start();
    expect(notes.state).toBe("started");
    await lifecycle.close(0);
    expect(notes.state).toBe("closed");
  });
});
