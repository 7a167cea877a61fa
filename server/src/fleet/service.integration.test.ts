import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Engine } from "../engine/engine.ts";
import { createFakeEngine } from "../engine/fake-engine.ts";
import type { EngineEvent, GenerateRequest } from "../engine/generation.ts";
import { FakeClock } from "../lib/clock.ts";
import { AppError } from "../lib/errors.ts";
import { createLog } from "../platform/telemetry/log.ts";
import { type FixtureOptions, fixtureKind } from "./launchers/fixture-kind.ts";
import {
  alwaysOnSpec,
  createFleet,
  DEFAULT_SCALING,
  type DeploymentSpec,
  type Fleet,
  type FleetOptions,
  type ReplicaLease,
  type Weights,
} from "./service.ts";

const fleets: Fleet[] = [];
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "hearth-fleet-"));
});

afterEach(async () => {
  await Promise.all(fleets.splice(0).map((fleet) => fleet.close(0)));
  rmSync(dir, { recursive: true, force: true });
});

function fleetOf(specs: readonly DeploymentSpec[], overrides: Partial<FleetOptions> = {}): Fleet {
  const fleet = createFleet({
    kinds: { fixture: fixtureKind },
    openServer: () => createFakeEngine(),
    cacheDir: dir,
    hubEndpoint: "http://127.0.0.1:9",
    env: { PATH: process.env["PATH"] },
    log: createLog("silent"),
    random: () => 0,
    ...overrides,
  });
  fleets.push(fleet);
  for (const spec of specs) fleet.apply(spec);
  return fleet;
}

/** A deployment of real processes that is always on. */
const model = (
  name: string,
  settings: { replicas?: number; weights?: Weights } = {},
  options: Partial<FixtureOptions> = {},
): DeploymentSpec =>
  alwaysOnSpec(
    name,
    { kind: "fixture", weights: settings.weights ?? null, options: (path) => ({ path, ...options }) },
    settings.replicas,
  );

const process0 = { kind: "fixture", weights: null, options: () => ({}) };
const attached = alwaysOnSpec("m", { attach: () => createFakeEngine() });

const never = () => new AbortController().signal;

const route = (fleet: Fleet, deployment: string, signal = never()) => fleet.route({ deployment }, signal);

function request(text: string): GenerateRequest {
  const input = { kind: "text", text, addBos: false } as const;
  return { id: text, input, sampling: {}, n: 1, maxTokens: 10, stop: [], stream: true };
}

async function generate(engine: ReplicaLease, text: string): Promise<EngineEvent[]> {
  const events: EngineEvent[] = [];
  for await (const event of engine.generate(request(text), never())) events.push(event);
  return events;
}

/** A request that has delivered its first delta and goes on. */
async function hold(engine: ReplicaLease, signal = never()): Promise<AsyncIterator<EngineEvent>> {
  const iterator = engine.generate(request("hold"), signal)[Symbol.asyncIterator]();
  expect((await iterator.next()).value).toMatchObject({ type: "delta" });
  return iterator;
}

async function failureOf(work: Promise<unknown>): Promise<AppError> {
  const error = await work.then(
    () => null,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(AppError);
  return error as AppError;
}

/** Polls the state of replicas, which no event reports. */
async function until(test: () => boolean): Promise<void> {
  while (!test()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("processes", () => {
  it("a request waits for the start of a replica and is then served", async () => {
    const fleet = fleetOf([model("m")]);
    const engine = await route(fleet, "m");
    expect(await generate(engine, "hello")).toMatchObject([
      { type: "delta", text: "hello" },
      { type: "finish" },
      { type: "end", aborted: false },
    ]);
    expect(engine.replicaId).toBe("m/replicas/0");
    expect(await engine.tokenize("four")).toEqual([4]);
    expect(fleet.status()).toMatchObject([
      { id: "m/replicas/0", model: "m", state: "ready", outstanding: 0, restarts: 0 },
    ]);
  });

  it("a killed replica fails its requests as unavailable and restarts; others serve on", async () => {
    const fleet = fleetOf([model("a"), model("b")]);
    const [a, b] = [await route(fleet, "a"), await route(fleet, "b")];
    const abort = new AbortController();
    const [lost, kept] = [await hold(a), await hold(b, abort.signal)];
    const { pid } = fleet.status()[0]!;
    process.kill(pid!, "SIGKILL");
    await expect(lost.next()).rejects.toMatchObject({ code: "unavailable" });
    await until(() => fleet.status()[0]!.state === "ready" && fleet.status()[0]!.pid !== pid);
    expect(fleet.status()[0]).toMatchObject({ restarts: 1, outstanding: 0 });
    expect(await generate(await route(fleet, "a"), "again")).toHaveLength(3);
    expect(fleet.status()[1]).toMatchObject({ state: "ready", restarts: 0, outstanding: 1 });
    abort.abort();
    expect((await kept.next()).value).toMatchObject({ type: "end", aborted: true });
  });

  it("a request goes to the least loaded replica, and to another when that one is killed", async () => {
    const fleet = fleetOf([model("m", { replicas: 2 })]);
    await until(() => fleet.status().every(({ state }) => state === "ready"));
    const abort = new AbortController();
    for (let i = 0; i < 4; i++) await hold(await route(fleet, "m"), abort.signal);
    expect(fleet.status().map(({ outstanding }) => outstanding)).toEqual([2, 2]);
    const routed = await route(fleet, "m");
    const victim = fleet.status().findIndex(({ id }) => id === routed.replicaId);
    process.kill(fleet.status()[victim]!.pid!, "SIGKILL");
    await until(() => fleet.status()[victim]!.state !== "ready");
    expect(await generate(routed, "moved")).toHaveLength(3);
    expect(routed.replicaId).toBe(`m/replicas/${1 - victim}`);
    abort.abort();
  });

  it("an engine that ends while loading makes requests fail as unavailable, with its exit code and a retry time", async () => {
    const fleet = fleetOf([model("m", {}, { fails: true })]);
    const error = await failureOf(route(fleet, "m"));
    expect(error.code).toBe("UNAVAILABLE");
    expect(error.message).toBe(
      "Starting again; last failure: The model's engine ended while loading (exit code 7).",
    );
    expect(error.retryAfterS).toBeGreaterThanOrEqual(1);
    await until(() => fleet.status()[0]!.restarts >= 1);
    expect(fleet.status()[0]!.lastFailure).toMatchObject({ exitCode: 7, signal: null });
  });

  it("weights are fetched before the start, and the engine gets their path", async () => {
    const content = Buffer.from("weights");
    const sha256 = createHash("sha256").update(content).digest("hex");
    mkdirSync(join(dir, "weights"));
    writeFileSync(join(dir, "weights", "own"), content);
    const weights = { file: "w.gguf", sha256, sizeBytes: content.length, sources: ["file:own"] };
    const fleet = fleetOf([model("m", { weights })]);
    const engine = await route(fleet, "m");
    expect(engine.model.chatTemplate).toBe(join(dir, "weights", sha256, "w.gguf"));
  });

  it("missing weights don't keep the server from starting and requests say what is missing", async () => {
    const weights = { file: "w.gguf", sha256: "0".repeat(64), sizeBytes: 1, sources: ["file:absent"] };
    const fleet = fleetOf([model("m", { weights }), model("n")]);
    const error = await failureOf(route(fleet, "m"));
    expect(error.message).toContain("w.gguf is missing: put it at weights/000");
    expect(error.message).not.toContain(dir);
    expect(error.retryAfterS).toBeGreaterThanOrEqual(1);
    expect(fleet.status()[0]).toMatchObject({ state: "missing-weights", message: error.message });
    await route(fleet, "n");
  });
});

describe("a request that waits for a start", () => {
  it("fails at the deadline with a message that the model is still starting", async () => {
    const clock = new FakeClock();
    const fleet = fleetOf([model("m")], { clock, coldStartMs: 1000 });
    const routing = failureOf(route(fleet, "m"));
    clock.advance(1000);
    const error = await routing;
    expect(error.message).toMatch(/^m is not ready yet\. The model is /);
    expect(error.retryAfterS).toBeGreaterThanOrEqual(1);
  });

  it("ends when its client aborts it", async () => {
    const abort = new AbortController();
    const routing = route(fleetOf([model("m")]), "m", abort.signal);
    abort.abort(new Error("gone"));
    await expect(routing).rejects.toThrow("gone");
  });

  it("is refused at once when a thousand others wait", async () => {
    const fleet = fleetOf([model("m")]);
    const waiting = Array.from({ length: 1000 }, () => route(fleet, "m"));
    expect((await failureOf(route(fleet, "m"))).retryAfterS).toBeGreaterThanOrEqual(1);
    await Promise.all(waiting);
  });
});

describe("attached engines", () => {
  it("are routed like engines that the platform runs", async () => {
    const engine = createFakeEngine();
    const fleet = fleetOf([alwaysOnSpec("m", { attach: () => engine })]);
    const routed = await route(fleet, "m");
    expect((await generate(routed, "user: hi")).at(-1)).toMatchObject({ type: "end" });
    expect(fleet.status()).toMatchObject([{ id: "m/replicas/0", state: "ready", pid: null }]);
    await fleet.close(0);
    await expect(engine.health()).rejects.toMatchObject({ code: "unavailable" });
  });

  it("are refused without text generation, with the name of the missing feature", async () => {
    const embeddings: Engine = {
      model: { contextLength: 512, chatTemplate: null, bosToken: "", eosToken: "" },
      health: async () => {},
      close: async () => {},
    };
    const fleet = fleetOf([alwaysOnSpec("m", { attach: () => embeddings })]);
    await expect(route(fleet, "m")).rejects.toMatchObject({
      code: "unsupported",
      message: "This model does not generate text.",
      retryable: false,
    });
  });

  it("pass their error to the caller unchanged", async () => {
    const attach = () => createFakeEngine({ failure: () => ({ code: "overloaded", afterTokens: 1 }) });
    const routed = await route(fleetOf([alwaysOnSpec("m", { attach })]), "m");
    await expect(generate(routed, "a b c")).rejects.toMatchObject({ code: "overloaded" });
  });
});

/** Starts clients that send one request after the other until `stop`, and collects their failures. */
function startLoad(fleet: Fleet, deployment: string, clients: number) {
  const failures: unknown[] = [];
  const templates = new Set<string | null>();
  let isOver = false;
  let responses = 0;
  const running = Array.from({ length: clients }, async () => {
    while (!isOver) {
      try {
        const engine = await route(fleet, deployment);
        const events = await generate(engine, "wait 20");
        expect(events.at(-1)).toMatchObject({ type: "end", aborted: false });
        templates.add(engine.model.chatTemplate);
        responses++;
      } catch (error) {
        failures.push(error);
      }
    }
  });
  return {
    failures,
    templates,
    responses: () => responses,
    async stop() {
      isOver = true;
      await Promise.all(running);
    },
  };
}

describe("a deployment under load", () => {
  /** A deployment with 0 to 3 replicas and scaling windows below a second. */
  const elastic = (overrides: Partial<DeploymentSpec> = {}): DeploymentSpec => ({
    ...model("d"),
    minReplicas: 0,
    maxReplicas: 3,
    concurrency: 2,
    scaling: {
      scaleUpWindowMs: 200,
      scaleDownWindowMs: 300,
      scaleToZeroWindowMs: 500,
      loadTargets: { default: 0.8 },
    },
    lastUsedMs: 0,
    ...overrides,
  });
  const ready = (fleet: Fleet) => fleet.status().filter(({ stage }) => stage === "ready").length;

  it("grows from nothing to three replicas and shrinks to nothing again, and no request fails", async () => {
    const fleet = fleetOf([elastic()]);
    expect(fleet.observe("d")).toMatchObject({ desiredReplicas: 0, replicas: [], lastRequestAtMs: null });
    const load = startLoad(fleet, "d", 30);
    await until(() => ready(fleet) === 3);
    const pids = fleet.status().map(({ pid }) => pid!);
    const responses = load.responses();
    await until(() => load.responses() > responses + 100);
    await load.stop();
    const rest = startLoad(fleet, "d", 1);
    await until(() => fleet.status().length === 1);
    await rest.stop();
    await until(() => fleet.status().length === 0);
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow();
    // A deployment that was scaled to zero wakes up for a request.
    expect(await generate(await route(fleet, "d"), "back")).toHaveLength(3);
    expect([...load.failures, ...rest.failures]).toEqual([]);
  });

  it("is moved to another revision replica by replica, and no request fails", async () => {
    const revision = (path: string) =>
      elastic({
        revision: path,
        minReplicas: 2,
        maxReplicas: 2,
        engine: { kind: "fixture", weights: { fetch: async () => path }, options: () => ({ path }) },
      });
    const fleet = fleetOf([revision("old")]);
    await until(() => ready(fleet) === 2);
    const load = startLoad(fleet, "d", 6);
    await until(() => load.responses() > 20);
    expect([...load.templates]).toEqual(["old"]);
    fleet.apply(revision("new"));
    let fewest = 2;
    const pids = fleet.status().map(({ pid }) => pid);
    await until(() => {
      fewest = Math.min(fewest, ready(fleet));
      return ready(fleet) === 2 && fleet.status().every(({ pid }) => pid !== null && !pids.includes(pid));
    });
    load.templates.clear();
    const responses = load.responses();
    await until(() => load.responses() > responses + 20);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect([...load.templates]).toEqual(["new"]);
    expect(fewest).toBe(2);
  });

  it("finishes running requests, refuses new ones and leaves no process when it is removed", async () => {
    const fleet = fleetOf([elastic()]);
    const abort = new AbortController();
    const running = await hold(await route(fleet, "d"), abort.signal);
    const { pid } = fleet.status()[0]!;
    const removing = fleet.remove("d", { graceMs: 600_000 });
    expect((await failureOf(route(fleet, "d"))).message).toBe("No engine serves d here.");
    expect(fleet.observe("d")).toBeNull();
    expect(fleet.status()).toMatchObject([{ stage: "draining", outstanding: 1 }]);
    abort.abort();
    expect((await running.next()).value).toMatchObject({ type: "end" });
    await running.next();
    await removing;
    expect(fleet.status()).toEqual([]);
    expect(() => process.kill(pid!, 0)).toThrow();
  });
});

describe("closing the fleet", () => {
  it("lets running work finish, takes no new work and leaves no process", async () => {
    const fleet = fleetOf([model("m")]);
    const engine = await route(fleet, "m");
    const abort = new AbortController();
    const running = await hold(engine, abort.signal);
    const pid = fleet.status()[0]!.pid!;
    let isClosed = false;
    const closing = fleet.close(600_000).then(() => {
      isClosed = true;
    });
    expect((await failureOf(route(fleet, "m"))).message).toBe("The server is stopping.");
    expect(isClosed).toBe(false);
    abort.abort();
    expect((await running.next()).value).toMatchObject({ type: "end" });
    await running.next();
    await closing;
    expect(() => process.kill(pid, 0)).toThrow();
    expect(fleet.status()).toEqual([]);
  });

  it("fails work as unavailable that doesn't finish in the grace", async () => {
    const fleet = fleetOf([model("m")]);
    const running = await hold(await route(fleet, "m"));
    const lost = expect(running.next()).rejects.toMatchObject({ code: "unavailable" });
    await fleet.close(1);
    await lost;
  });

  it("ends a starting replica, and refuses the requests that wait for it", async () => {
    const fleet = fleetOf([model("m")]);
    const waiting = failureOf(route(fleet, "m"));
    await fleet.close(600_000);
    expect((await waiting).message).toBe("The server is stopping.");
  });

  it("succeeds when the fleet has nothing to run", async () => {
    await fleetOf([]).close(1000);
  });
});

describe("the fleet refuses a spec that it can't run", () => {
  const weights = { file: "w", sha256: "0".repeat(64), sizeBytes: 1, sources: ["ftp:x"] };
  const command = (...argv: string[]) =>
    alwaysOnSpec("m", { command: argv, weights: null, upstreamModel: "m" });
  const targets = (loadTargets: Record<string, number>) => ({
    ...model("m"),
    scaling: { ...DEFAULT_SCALING, loadTargets },
  });
  it.each<[string, DeploymentSpec, RegExp]>([
    ["an unknown engine", alwaysOnSpec("m", { ...process0, kind: "nope" }), /m: there is no engine nope/],
    ["more replicas than there can be", model("m", { replicas: 65 }), /m: replicas must be/],
    ["a least above the most", { ...model("m"), minReplicas: 2 }, /m: replicas must be/],
    ["two replicas of what is attached", { ...attached, maxReplicas: 2 }, /m: an attached engine is one/],
    ["a bad weights source", model("m", { weights }), /starts with none of/],
    ["an empty command", command(), /m: the command is empty/],
    ["a command with an unknown placeholder", command("x", "{host}"), /m: the command has no \{host\}/],
    ["a command that wants weights it has not", command("x", "{model}"), /m: the command has no \{model\}/],
    ["an unknown load target", targets({ qps: 1 }), /m: qps=1 is no load target/],
    ["a load target of nothing", targets({ default: 0 }), /m: default=0 is no load target/],
  ])("%s", (_what, spec, message) => {
    expect(() => fleetOf([spec])).toThrow(message);
  });

  it("a request for an unknown deployment fails as unavailable", async () => {
    expect((await failureOf(route(fleetOf([]), "m"))).code).toBe("UNAVAILABLE");
  });
});
