import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EngineError } from "../engine/errors.ts";
import { createFakeEngine, type FakeEngine, type FakeEngineOptions } from "../engine/fake-engine.ts";
import type { EngineEvent, GenerateRequest } from "../engine/generation.ts";
import { FakeClock } from "../lib/clock.ts";
import { createLog } from "../platform/telemetry/log.ts";
import { backoffMs } from "./backoff.ts";
import { EngineStartError } from "./failure.ts";
import { processExit } from "./launchers/process-exit.ts";
import { Replica, type ReplicaOptions } from "./replica.ts";
import type { RunningEngine, StartupPhase } from "./types.ts";
import { MissingWeightsError } from "./weights/errors.ts";

const request: GenerateRequest = {
  id: "r1",
  input: { kind: "text", text: "one two three", addBos: false },
  sampling: { temperature: 0 },
  n: 1,
  maxTokens: 10,
  stop: [],
  stream: true,
};

/** A replica whose engines are fakes in this process, ended by hand. */
function setUp(overrides: Partial<ReplicaOptions> & { engine?: FakeEngineOptions } = {}) {
  const clock = new FakeClock();
  const states: string[] = [];
  const meter = { requests: 0, generatedTokens: 0, promptTokens: 0 };
  const boots: { engine: FakeEngine; end: () => void; stopped: number[] }[] = [];
  const replica = new Replica({
    id: "m/replicas/0",
    model: "m",
    deployment: "m",
    revision: "1",
    whenHung: "restart",
    meter,
    onCapacityFreed: () => {},
    clock,
    random: () => 1,
    log: createLog("silent"),
    onChange: () => states.at(-1) !== replica.state && states.push(replica.state),
    boot: async () => {
      const engine = createFakeEngine(overrides.engine);
      const stopped: number[] = [];
      let end = () => {};
      const lost = new Promise<void>((resolve) => {
        end = resolve;
      });
      boots.push({ engine, end, stopped });
      const stop = async (graceMs: number) => {
        stopped.push(graceMs);
        end();
        return processExit(null, "SIGSEGV");
      };
      return { engine, pid: 1, lost, outputTail: () => ["at /opt/secret"], stop };
    },
    ...overrides,
  });
  return { clock, states, boots, replica, meter };
}

/** Runs the pending microtasks. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

async function collect(iterator: AsyncIterator<EngineEvent>): Promise<EngineEvent[]> {
  const events: EngineEvent[] = [];
  for (let step = await iterator.next(); !step.done; step = await iterator.next()) events.push(step.value);
  return events;
}

const begin = (replica: Replica, signal = new AbortController().signal) => replica.begin(request, signal);

describe("supervision", () => {
  it("a replica becomes ready, and stopped after stop()", async () => {
    const { replica, states, boots } = setUp();
    replica.start();
    await settle();
    expect(replica.status()).toMatchObject({
      state: "ready",
      message: null,
      outstanding: 0,
      restarts: 0,
      pid: 1,
    });
    await replica.stop();
    expect(states).toEqual(["ready", "stopping", "stopped"]);
    expect(boots[0]!.stopped).toHaveLength(1);
    await replica.stop();
  });

  it("an engine that ends is restarted after the backoff, not before", async () => {
    const { replica, clock, boots } = setUp();
    replica.start();
    await settle();
    boots[0]!.end();
    await settle();
    expect(replica.status()).toMatchObject({
      state: "backoff",
      message: "Starting again; last failure: The model's engine ended (signal SIGSEGV).",
    });
    expect(replica.engine).toBeNull();
    expect(replica.unavailableError()).toMatchObject({ code: "UNAVAILABLE", retryAfterS: 1 });
    clock.advance(499);
    await settle();
    expect(boots).toHaveLength(1);
    clock.advance(1);
    await settle();
    expect(replica.status()).toMatchObject({ state: "ready", restarts: 1 });
  });

  it("an engine that keeps failing is restarted for ever with growing, capped waits, and its message counts the failures", async () => {
    const starts: number[] = [];
    const { replica, clock } = setUp({
      boot: async () => {
        starts.push(clock.now());
        throw new EngineError("invalid", "The file is not a model.");
      },
    });
    replica.start();
    await settle();
    expect(replica.status()).toMatchObject({
      state: "backoff",
      message: "Starting again; last failure: The file is not a model.",
    });
    for (let i = 0; i < 60 * 60; i++) {
      clock.advance(100);
      await settle();
    }
    const waits = starts.slice(1).map((at, i) => at - starts[i]!);
    expect(waits.slice(0, 8)).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    expect(replica.status().message).toMatch(
      /^Starting again; last failure: The file is not a model\. It failed \d+ times in a row\.$/,
    );
    await replica.stop();
    expect(replica.state).toBe("stopped");
  });

  it("an error without a public message is replaced by a general one", async () => {
    const { replica } = setUp({
      boot: async () => {
        throw new Error("ENOENT /home/secret/path");
      },
    });
    replica.start();
    await settle();
    expect(replica.status().message).toBe(
      "Starting again; last failure: The model's engine can't be started.",
    );
    expect(JSON.stringify(replica.status())).not.toContain("secret");
  });

  it("an engine that was ready for a minute is restarted after the shortest wait", async () => {
    const { replica, clock, boots } = setUp();
    replica.start();
    await settle();
    for (let crash = 0; crash < 4; crash++) {
      boots.at(-1)!.end();
      await settle();
      clock.advance(30_000);
      await settle();
    }
    expect(boots).toHaveLength(5);
    clock.advance(60_000);
    boots.at(-1)!.end();
    await settle();
    clock.advance(500);
    await settle();
    expect(boots).toHaveLength(6);
  });

  it("missing weights are looked for again, and the message says where to put them", async () => {
    let isThere = false;
    const { replica, clock } = setUp({
      boot: async () => {
        if (!isThere) throw new MissingWeightsError("Put it there.", "/cache/x", ["file: none"]);
        return {
          engine: createFakeEngine(),
          pid: null,
          lost: new Promise(() => {}),
          outputTail: () => [],
          stop: async () => null,
        };
      },
    });
    replica.start();
    await settle();
    expect(replica.status()).toMatchObject({ state: "missing-weights", message: "Put it there." });
    expect(replica.unavailableError()).toMatchObject({ message: "Put it there.", retryAfterS: 5 });
    isThere = true;
    clock.advance(5_000);
    await settle();
    expect(replica.state).toBe("ready");
  });

  it("stop() aborts a start and ends a backoff at once", async () => {
    const booting = setUp({
      boot: (signal) =>
        new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    });
    booting.replica.start();
    await booting.replica.stop();
    expect(booting.replica.state).toBe("stopped");

    const waiting = setUp();
    waiting.replica.start();
    await settle();
    waiting.boots[0]!.end();
    await settle();
    await waiting.replica.stop();
    expect(waiting.replica.state).toBe("stopped");
  });

  it("an engine that doesn't answer its health checks is stopped and restarted", async () => {
    const { replica, clock, boots } = setUp();
    replica.start();
    await settle();
    for (let i = 0; i < 10; i++) {
      clock.advance(10_000);
      await settle();
    }
    expect(boots).toHaveLength(1);
    boots[0]!.engine.crash();
    for (let i = 0; i < 5; i++) {
      clock.advance(10_000);
      await settle();
    }
    expect(boots[0]!.stopped[0]).toBe(0);
    expect(boots).toHaveLength(2);
    expect(replica.state).toBe("ready");
  });

  it("waits double up to the cap and jitter only shortens them, by half at most", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (failures, random) => {
          const waits = { baseMs: 500, capMs: 30_000 };
          const most = Math.min(30_000, 500 * 2 ** (failures - 1));
          const wait = backoffMs(failures, waits, random);
          expect(wait).toBeGreaterThanOrEqual(most / 2);
          expect(wait).toBeLessThanOrEqual(most);
        },
      ),
    );
  });
});

describe("the last failure of a replica", () => {
  /** A replica whose first start fails and whose later starts wait for `up`. */
  function failOnce(error: Error) {
    let starts = 0;
    let onPhase: (phase: StartupPhase) => void = () => {};
    let up: (running: RunningEngine) => void = () => {};
    const set = setUp({
      boot: (_signal, report) => {
        if (++starts === 1) return Promise.reject(error);
        onPhase = report;
        return new Promise((resolve) => {
          up = resolve;
        });
      },
    });
    const running = {
      engine: createFakeEngine(),
      pid: 1,
      lost: new Promise<void>(() => {}),
      outputTail: () => [],
      stop: async () => null,
    };
    return { ...set, report: (phase: StartupPhase) => onPhase(phase), up: () => up(running) };
  }

  it("carries the exit code and the time, and keeps the process's output for the operator", async () => {
    const error = new EngineError("unavailable", "The process has ended.");
    const exit = processExit(3, null);
    const { replica, clock } = failOnce(new EngineStartError(error, exit, ["CUDA error at /opt/cuda"]));
    replica.start();
    await settle();
    const message = "The model's engine ended while loading (exit code 3).";
    const failure = { message, exitCode: 3, signal: null, atMs: clock.now() };
    expect(replica.status().lastFailure).toEqual(failure);
    expect(JSON.stringify(replica.status())).not.toContain("CUDA");
    expect(replica.diagnostics()).toEqual({
      ...failure,
      replica: "m/replicas/0",
      outputTail: ["CUDA error at /opt/cuda"],
    });
  });

  it("is shown through every step of the next start, and in the 503 of a request", async () => {
    const { replica, clock, report } = failOnce(new EngineError("invalid", "The file is not a model."));
    replica.start();
    await settle();
    const message = "Starting again; last failure: The file is not a model.";
    expect(replica.unavailableError()).toMatchObject({ code: "UNAVAILABLE", message });
    clock.advance(500);
    await settle();
    for (const text of ["The model is starting.", "The model is being loaded."]) {
      report({ step: "initializing", message: text });
      expect(replica.status()).toMatchObject({ state: "starting", message });
    }
    report({ step: "downloading", message: "The weights are being fetched: 40 %." });
    const [downloading, waiting] = ["The weights are being fetched: 40 %.", "Waiting for 2 H100."];
    expect(replica.status().message).toBe(`${downloading} Last failure: The file is not a model.`);
    report({ step: "pending", message: waiting });
    expect(replica.status().message).toBe(`${waiting} Last failure: The file is not a model.`);
    expect(() => begin(replica)).toThrow("Last failure: The file is not a model.");
  });

  it("is forgotten when the replica has been ready for a minute, not before", async () => {
    const { replica, clock, up } = failOnce(new EngineError("invalid", "The file is not a model."));
    replica.start();
    await settle();
    clock.advance(500);
    await settle();
    up();
    await settle();
    expect(replica.status()).toMatchObject({ state: "ready", message: null });
    clock.advance(59_999);
    expect(replica.status().lastFailure).toMatchObject({ message: "The file is not a model." });
    clock.advance(1);
    expect(replica.status().lastFailure).toBeNull();
    expect(replica.diagnostics()).toBeNull();
  });

  it("survives a crash loop of starts that become ready for less than a minute", async () => {
    const { replica, clock, boots } = setUp();
    replica.start();
    await settle();
    for (let crash = 0; crash < 4; crash++) {
      boots.at(-1)!.end();
      await settle();
      clock.advance(30_000);
      await settle();
    }
    const message = "The model's engine ended (signal SIGSEGV).";
    expect(replica.status()).toMatchObject({
      state: "ready",
      restarts: 4,
      lastFailure: { message, signal: "SIGSEGV" },
    });
    boots.at(-1)!.end();
    await settle();
    expect(replica.status().message).toBe(
      `Starting again; last failure: ${message} It failed 5 times in a row.`,
    );
    expect(replica.diagnostics()?.outputTail).toEqual(["at /opt/secret"]);
    expect(JSON.stringify(replica.status())).not.toContain("secret");
  });

  it("says that an engine did not answer, and not that the platform ended it", async () => {
    const { replica, clock, boots } = setUp();
    replica.start();
    await settle();
    boots[0]!.engine.crash();
    for (let i = 0; i < 4; i++) {
      clock.advance(10_000);
      await settle();
    }
    expect(replica.status().lastFailure?.message).toBe("The model's engine did not answer and was stopped.");
  });
});

describe("work on a replica", () => {
  it("counts with its cost until its promise settles, however it settles", async () => {
    const { replica } = setUp();
    replica.start();
    await settle();
    let finish = (_result: string) => {};
    const embedding = replica.run(
      3,
      () =>
        new Promise<string>((resolve) => {
          finish = resolve;
        }),
    );
    const failing = replica.run(1, () => Promise.reject(new EngineError("internal", "It broke.")));
    expect([replica.load, replica.status().outstanding]).toEqual([4, 2]);
    await expect(failing).rejects.toThrow("It broke.");
    expect(replica.load).toBe(3);
    finish("done");
    expect(await embedding).toBe("done");
    expect([replica.load, replica.status().outstanding]).toEqual([0, 0]);
  });

  it("is not counted any more when it throws at once", async () => {
    const { replica } = setUp();
    replica.start();
    await settle();
    const work = () => {
      throw new EngineError("invalid", "It can't begin.");
    };
    expect(() => replica.run(1, work)).toThrow("It can't begin.");
    expect([replica.load, replica.status().outstanding]).toEqual([0, 0]);
  });
});

describe("outstanding work", () => {
  it("is counted from the beginning to the end of a request", async () => {
    const { replica } = setUp();
    replica.start();
    await settle();
    const iterator = begin(replica);
    await iterator.next();
    expect(replica.load).toBe(1);
    const events = await collect(iterator);
    expect(events.at(-1)!.type).toBe("end");
    expect(replica.load).toBe(0);
    await iterator.return?.();
    expect(replica.load).toBe(0);
  });

  it("an aborted, a failed, an abandoned and an unused request leave no load behind", async () => {
    const { replica } = setUp({
      engine: { failure: ({ id }) => (id === "bad" ? { code: "internal", afterTokens: 1 } : undefined) },
    });
    replica.start();
    await settle();
    const abort = new AbortController();
    const aborted = begin(replica, abort.signal);
    await aborted.next();
    abort.abort();
    expect((await collect(aborted)).at(-1)).toMatchObject({ type: "end", aborted: true });
    const failing = replica.begin({ ...request, id: "bad" }, new AbortController().signal);
    await expect(collect(failing)).rejects.toThrow(EngineError);
    const abandoned = begin(replica);
    await abandoned.next();
    await abandoned.return?.();
    await begin(replica).return?.();
    expect(replica.load).toBe(0);
  });

  it("a request to a replica that isn't ready is refused as unavailable", async () => {
    const { replica, boots } = setUp();
    expect(() => begin(replica)).toThrow(expect.objectContaining({ code: "unavailable" }));
    replica.start();
    await settle();
    const running = begin(replica);
    await running.next();
    boots[0]!.end();
    await settle();
    expect(() => begin(replica)).toThrow(expect.objectContaining({ code: "unavailable" }));
    await expect(collect(running)).rejects.toMatchObject({ code: "unavailable" });
    expect(replica.load).toBe(0);
  });
});
