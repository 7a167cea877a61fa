import { describe, expect, it } from "vitest";
import { EngineError } from "../engine/errors.ts";
import { createFakeEngine, type FakeEngine } from "../engine/fake-engine.ts";
import type { EngineEvent, GenerateRequest } from "../engine/generation.ts";
import { FakeClock } from "../lib/clock.ts";
import { AppError } from "../lib/errors.ts";
import { createLog } from "../platform/telemetry/log.ts";
import { Deployment } from "./deployment.ts";
import { processExit } from "./launchers/process-exit.ts";
import type { ReplicaLease } from "./replica-lease.ts";
import type { RoutingHints } from "./routing/router.ts";
import { DEFAULT_SCALING, type DeploymentSpec } from "./spec.ts";
import type { Boot, RunningEngine } from "./types.ts";

interface FakeBoot {
  /** Lets the start succeed. */
  up(): void;
  /** Ends the engine as a crash does. */
  end(): void;
  engine: FakeEngine;
  isStopped: boolean;
}

const never = () => new AbortController().signal;

const SPEC: DeploymentSpec = {
  id: "d",
  model: "m",
  revision: "1",
  concurrency: 2,
  sessionAffinity: false,
  loras: [],
  minReplicas: 0,
  maxReplicas: 3,
  fixedReplicas: null,
  scaling: DEFAULT_SCALING,
  engine: { kind: "fake", weights: null, options: () => ({}) },
};

/** A deployment whose engines are fakes in this process; they are up at once unless `isSlow`. */
function setUp(overrides: Partial<DeploymentSpec> = {}, { isSlow = false, coldStartMs = 30_000 } = {}) {
  const clock = new FakeClock();
  const boots: FakeBoot[] = [];
  const loraLoads = { fail: null as Error | null, gate: Promise.resolve() };
  const boot: Boot = (signal) =>
    new Promise((resolve, reject) => {
      const engine = createFakeEngine({
        gate: () => gate,
        async onLoadLora() {
          await loraLoads.gate;
          if (loraLoads.fail !== null) throw loraLoads.fail;
        },
      });
      let end = () => {};
      const lost = new Promise<void>((lose) => {
        end = lose;
      });
      const stop = async () => {
        fakeBoot.isStopped = true;
        end();
        return processExit(null, "SIGSEGV");
      };
      const running: RunningEngine = { engine, pid: 1, lost, outputTail: () => [], stop };
      const fakeBoot: FakeBoot = { up: () => resolve(running), end, engine, isStopped: false };
      signal.addEventListener("abort", () => reject(signal.reason));
      boots.push(fakeBoot);
      if (!isSlow) fakeBoot.up();
    });
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  let changes = 0;
  const options = { clock, random: () => 0, log: createLog("silent"), coldStartMs, bootOf: () => boot };
  const spec = { ...SPEC, ...overrides };
  const deployment = new Deployment(spec, { ...options, onChange: () => changes++ });
  const route = (hints: RoutingHints = {}, signal = never()) => deployment.route(hints, signal);
  return {
    clock,
    boots,
    loraLoads,
    deployment,
    spec,
    route,
    changes: () => changes,
    finishAll: () => open(),
  };
}

/** Runs the pending microtasks. */
async function settle(): Promise<void> {
  for (let i = 0; i < 100; i++) await Promise.resolve();
}

/** Moves the clock forward in steps of 5 s, and runs the pending microtasks after each step. */
async function pass(clock: FakeClock, ms: number): Promise<void> {
  for (let leftMs = ms; leftMs > 0; leftMs -= 5000) {
    clock.advance(Math.min(5000, leftMs));
    await settle();
  }
}

const request = (n = 1): GenerateRequest => ({
  id: "r",
  sampling: { temperature: 0 },
  maxTokens: 10,
  stop: [],
  stream: true,
  n,
  input: { kind: "text", text: "one two three", addBos: false },
});

/** Begins a request, which then waits for the engine's gate. */
function begin(engine: ReplicaLease, n = 1) {
  const events: EngineEvent[] = [];
  const done = (async () => {
    for await (const event of engine.generate(request(n), never())) events.push(event);
    return events;
  })();
  done.catch(() => {});
  return done;
}

const stages = (deployment: Deployment) => deployment.observe().replicas.map(({ stage }) => stage);

describe("a request that has to wait", () => {
  it("starts a replica when there is none, and is given it", async () => {
    const { deployment, route, boots } = setUp({ lastUsedMs: 0 }, { isSlow: true });
    expect(deployment.observe().desiredReplicas).toBe(0);
    const routing = route();
    await settle();
    expect(deployment.observe()).toMatchObject({ desiredReplicas: 1, replicas: [{ stage: "initializing" }] });
    boots[0]!.up();
    expect((await routing).replicaId).toBe("d/replicas/0");
  });

  it("is refused with a retry time after the cold-start limit", async () => {
    const { clock, route } = setUp({}, { isSlow: true, coldStartMs: 1000 });
    const routing = route();
    await settle();
    clock.advance(1000);
    await expect(routing).rejects.toMatchObject({
      code: "UNAVAILABLE",
      retryAfterS: 5,
      message: "d is not ready yet. The model is starting.",
    });
  });

  it("is refused at once when a thousand others wait", async () => {
    const { route } = setUp({}, { isSlow: true });
    for (let i = 0; i < 1000; i++) route().catch(() => {});
    await expect(route()).rejects.toMatchObject({ code: "UNAVAILABLE", retryAfterS: 5 });
  });

  it("is refused at once when the deployment can have no replica", async () => {
    for (const overrides of [{ fixedReplicas: 0 }, { maxReplicas: 0 }]) {
      await expect(setUp(overrides).route()).rejects.toMatchObject({
        code: "UNAVAILABLE",
        message: "d has no replicas.",
      });
    }
  });

  it("is given to a replica only when the replica has room, so that no engine refuses it", async () => {
    const { route, boots, finishAll } = setUp({ maxReplicas: 1 }, { isSlow: true });
    const routing = Array.from({ length: 50 }, () => route().then((engine) => begin(engine)));
    await settle();
    boots[0]!.up();
    await settle();
    // Four times the replica's slots.
    expect(boots[0]!.engine.active).toBe(8);
    finishAll();
    const all = await Promise.all(await Promise.all(routing));
    expect(all).toHaveLength(50);
    expect(boots[0]!.engine.requests).toHaveLength(50);
  });

  it("counts as load from the moment it is given a replica, for ten seconds if it never begins", async () => {
    const { route, clock, deployment } = setUp({ maxReplicas: 1 });
    await settle();
    const leases = await Promise.all(Array.from({ length: 8 }, () => route()));
    expect(new Set(leases.map(({ replicaId }) => replicaId)).size).toBe(1);
    const ninth = route();
    await settle();
    expect(deployment.observe().replicas[0]!.outstanding).toBe(0);
    clock.advance(10_000);
    expect((await ninth).replicaId).toBe("d/replicas/0");
  });
});

describe("a request whose replica has ended before the request begins", () => {
  it("goes to another replica, also to one that has yet to start", async () => {
    const { route, boots, deployment, spec, finishAll } = setUp({ minReplicas: 1 });
    await settle();
    const engine = await route();
    deployment.apply({ ...spec, minReplicas: 0, fixedReplicas: 0 });
    // The request's reservation keeps the draining replica, but only until the replica crashes.
    expect(stages(deployment)).toEqual(["draining"]);
    boots[0]!.end();
    await settle();
    deployment.apply({ ...spec, minReplicas: 1 });
    const events = begin(engine);
    await settle();
    finishAll();
    expect((await events).at(-1)).toMatchObject({ type: "end", aborted: false });
  });

  it("is refused when the other replica has another revision", async () => {
    const { route, boots, deployment, spec } = setUp({ minReplicas: 1 });
    await settle();
    const engine = await route();
    deployment.apply({ ...spec, minReplicas: 1, revision: "2" });
    await settle();
    boots[0]!.end();
    await settle();
    await expect(begin(engine)).rejects.toMatchObject({ code: "unavailable" });
  });
});

describe("work of another modality", () => {
  it("replaces its reservation by its cost until it ends", async () => {
    const { route, deployment } = setUp({ maxReplicas: 2 });
    await settle();
    const lease = await route();
    let finish = () => {};
    const work = lease.run(
      3,
      () =>
        new Promise<void>((resolve) => {
          finish = resolve;
        }),
    );
    expect(deployment.observe().replicas[0]!.outstanding).toBe(1);
    finish();
    await work;
    expect(deployment.observe().replicas[0]!.outstanding).toBe(0);
  });
});

describe("a replica that is removed", () => {
  it("gets no more requests, finishes its running ones and is then stopped", async () => {
    const { route, boots, deployment, spec, finishAll } = setUp({ minReplicas: 2 });
    await settle();
    const events = begin(await route());
    await settle();
    const busy = boots.findIndex(({ engine }) => engine.active === 1);
    deployment.apply({ ...spec, fixedReplicas: 0 });
    await settle();
    expect(boots.map(({ isStopped }) => isStopped)).toEqual([0, 1].map((i) => i !== busy));
    expect(stages(deployment)).toEqual(["draining"]);
    await expect(route()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    finishAll();
    expect((await events).at(-1)).toMatchObject({ type: "end", aborted: false });
    await settle();
    expect(deployment.observe().replicas).toEqual([]);
  });

  it("is stopped after the drain grace when its work doesn't end", async () => {
    const { route, boots, deployment, spec, clock } = setUp({ minReplicas: 1 });
    await settle();
    void begin(await route());
    await settle();
    deployment.apply({ ...spec, fixedReplicas: 0 });
    await pass(clock, 599_999);
    expect(boots[0]!.isStopped).toBe(false);
    await pass(clock, 1);
    expect(boots[0]!.isStopped).toBe(true);
    expect(deployment.observe().replicas).toEqual([]);
  });

  it("stays when it is needed again", async () => {
    const { route, boots, deployment, spec } = setUp({ minReplicas: 1 });
    await settle();
    void begin(await route());
    await settle();
    deployment.apply({ ...spec, fixedReplicas: 0 });
    expect(stages(deployment)).toEqual(["draining"]);
    deployment.apply({ ...spec, fixedReplicas: 1 });
    expect(stages(deployment)).toEqual(["ready"]);
    await route();
    expect(boots).toHaveLength(1);
  });
});

describe("a crash", () => {
  it("in one replica leaves the requests to the others", async () => {
    const { route, boots, deployment } = setUp({ minReplicas: 2 });
    await settle();
    boots[0]!.end();
    await settle();
    expect(deployment.observe()).toMatchObject({
      desiredReplicas: 2,
      replicas: [{ state: "backoff" }, { state: "ready" }],
      message: "Starting again; last failure: The model's engine ended (signal SIGSEGV).",
    });
    for (let i = 0; i < 4; i++) expect((await route()).replicaId).toBe("d/replicas/1");
  });
});

describe("a LoRA", () => {
  const lora = { id: "lora", fetch: async () => "/lora" };

  it("applies to the requests that were routed for it, and to no others", async () => {
    const { route, boots, finishAll } = setUp({ minReplicas: 1, loras: [lora] });
    await settle();
    finishAll();
    await begin(await route({ lora: "lora" }));
    await begin(await route());
    expect(boots[0]!.engine.requests.map((seen) => seen.lora)).toEqual(["lora", undefined]);
  });

  it("makes requests wait while it is being loaded", async () => {
    const { route, loraLoads, deployment, spec } = setUp({ minReplicas: 1 });
    let open = () => {};
    loraLoads.gate = new Promise((resolve) => {
      open = resolve;
    });
    await settle();
    deployment.apply({ ...spec, loras: [lora] });
    let isRouted = false;
    const routing = route({ lora: "lora" }).then(() => {
      isRouted = true;
    });
    await route();
    await settle();
    expect(isRouted).toBe(false);
    open();
    await routing;
  });

  it("refuses its requests with the reason when it can't be loaded, and the model itself serves on", async () => {
    const { route, loraLoads, deployment } = setUp({ minReplicas: 1, loras: [lora] });
    loraLoads.fail = new EngineError("invalid", "Its rank is 3.");
    await settle();
    await expect(route({ lora: "lora" })).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
      message: "lora could not be loaded: Its rank is 3.",
    });
    await expect(route({ lora: "other" })).rejects.toMatchObject({ code: "FAILED_PRECONDITION" });
    await route();
    expect(deployment.observe().loras).toEqual({ lora: { state: "failed", message: "Its rank is 3." } });
  });

  it("is loaded by a restarted replica before requests for it go there", async () => {
    const { route, boots, clock } = setUp({ minReplicas: 1, maxReplicas: 1, loras: [lora] });
    await settle();
    boots[0]!.end();
    await settle();
    clock.advance(1000);
    await settle();
    expect(boots).toHaveLength(2);
    await route({ lora: "lora" });
  });

  it("wakes a deployment that was scaled to zero when it is new", async () => {
    const { deployment, spec } = setUp({ lastUsedMs: 0 });
    expect(deployment.observe().desiredReplicas).toBe(0);
    deployment.apply({ ...spec, loras: [lora] });
    await settle();
    expect(deployment.observe().loras).toMatchObject({ lora: { state: "loaded" } });
  });
});

describe("an engine that the platform does not run", () => {
  it("gets no requests while it doesn't answer, and is not stopped", async () => {
    const engine = { attach: () => createFakeEngine() };
    const { deployment, route, clock, boots } = setUp({ engine, minReplicas: 1, maxReplicas: 1 });
    await settle();
    let isAnswering = false;
    boots[0]!.engine.health = async () => {
      if (!isAnswering) throw new EngineError("unavailable", "Refused.");
    };
    await pass(clock, 20_000);
    const message = "The model's server does not answer.";
    expect(deployment.observe()).toMatchObject({ message, replicas: [{ state: "unhealthy" }] });
    await expect(route()).rejects.toMatchObject({ code: "UNAVAILABLE", message });
    expect(boots[0]!.isStopped).toBe(false);
    isAnswering = true;
    await pass(clock, 10_000);
    await route();
  });
});

it("a closed deployment refuses new and waiting requests, and ends running ones after the grace", async () => {
  const { deployment, route, boots, clock } = setUp({ maxReplicas: 1 });
  await settle();
  for (let i = 0; i < 8; i++) void begin(await route());
  const waiting = route();
  await settle();
  const closing = deployment.close(1000, new AppError("UNAVAILABLE", "Going."));
  await expect(waiting).rejects.toMatchObject({ code: "UNAVAILABLE", message: "Going." });
  await expect(route()).rejects.toMatchObject({ message: "Going." });
  expect(boots[0]!.isStopped).toBe(false);
  clock.advance(1000);
  await closing;
  expect(boots[0]!.isStopped).toBe(true);
});

it("onChange reports changes of the deployment, and not single requests", async () => {
  const { deployment, spec, route, changes, finishAll } = setUp({ minReplicas: 1 });
  await settle();
  const before = changes();
  finishAll();
  await begin(await route());
  expect(changes()).toBe(before);
  deployment.apply({ ...spec, minReplicas: 2 });
  expect(changes()).toBeGreaterThan(before);
});

describe("a deployment is overloaded", () => {
  it("while a new request would wait for long", async () => {
    const { boots, deployment, route } = setUp({ minReplicas: 1, maxReplicas: 1 }, { isSlow: true });
    const waiting = Array.from({ length: 15 }, () => route());
    expect(deployment.isOverloaded).toBe(false);
    waiting.push(route());
    expect(deployment.isOverloaded).toBe(true);
    boots[0]!.up();
    await Promise.all(waiting);
    expect(deployment.isOverloaded).toBe(false);
  });

  it("never when the concurrency of its server is unknown", async () => {
    const { deployment, spec, route } = setUp({ minReplicas: 1, maxReplicas: 1 }, { isSlow: true });
    const { concurrency: _, ...unknown } = spec;
    deployment.apply({ ...unknown, engine: { attach: () => createFakeEngine() } });
    const waiting = Array.from({ length: 200 }, () => route().catch(() => {}));
    expect(deployment.isOverloaded).toBe(false);
    await deployment.close(0, new AppError("UNAVAILABLE", "Over."));
    await Promise.all(waiting);
  });
});

it("a deployment knows the time of its last request", async () => {
  const { deployment, route, clock, finishAll } = setUp({ minReplicas: 1 });
  await settle();
  finishAll();
  expect(deployment.observe().lastRequestAtMs).toBeNull();
  clock.advance(5000);
  await begin(await route());
  const atMs = clock.now();
  clock.advance(7000);
  expect(deployment.observe().lastRequestAtMs).toBe(atMs);
});
