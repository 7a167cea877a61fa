import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { afterEach, describe, expect, it } from "vitest";
import type { EngineEvent } from "../engine/generation.ts";
import { llamaCppKind } from "../engines/llama-cpp/kind.ts";
import { createOpenAiServerEngine } from "../engines/openai-server/engine.ts";
import { FakeClock } from "../lib/clock.ts";
import { createLog, type Log } from "../platform/telemetry/log.ts";
import { alwaysOnSpec, createFleet, type DeploymentSpec, type Fleet, type FleetOptions } from "./service.ts";
import type { CommandEngine } from "./spec.ts";

const SERVER = fileURLToPath(new URL("./launchers/fixture-server.ts", import.meta.url));
const fleets: Fleet[] = [];
const servers: Server[] = [];

afterEach(async () => {
  await Promise.all(fleets.splice(0).map((fleet) => fleet.close(0)));
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

function fleetOf(spec: DeploymentSpec, overrides: Partial<FleetOptions> = {}): Fleet {
  const fleet = createFleet({
    kinds: {},
    openServer: createOpenAiServerEngine,
    cacheDir: "/nowhere",
    hubEndpoint: "http://127.0.0.1:9",
    env: { PATH: process.env["PATH"] },
    log: createLog("silent"),
    ...overrides,
  });
  fleets.push(fleet);
  fleet.apply(spec);
  return fleet;
}

/** A model on a real server process; `extraArguments` are its last arguments. */
const launched = (...extraArguments: string[]): DeploymentSpec =>
  alwaysOnSpec("m", {
    command: [process.execPath, "--import", "tsx", SERVER, "{port}", ...extraArguments],
    weights: null,
    upstreamModel: "m",
  });

const route = (fleet: Fleet) => fleet.route({ deployment: "m" }, new AbortController().signal);

async function chat(fleet: Fleet, content: string, stream = true): Promise<string> {
  const engine = await route(fleet);
  const input = { kind: "chat", messages: [{ role: "user", content }] } as const;
  const request = { id: "r", input, sampling: {}, n: 1, maxTokens: 10, stop: [], stream };
  const events: EngineEvent[] = [];
  for await (const event of engine.generate(request, new AbortController().signal)) events.push(event);
  return events.map((event) => (event.type === "delta" ? event.text : "")).join("");
}

async function until(test: () => boolean): Promise<void> {
  while (!test()) await new Promise((resolve) => setTimeout(resolve, 10));
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A log that keeps its text. */
function keptLog(): { log: Log; text: () => string } {
  let text = "";
  const sink = new Writable({
    write(chunk, _encoding, done) {
      text += chunk;
      done();
    },
  });
  return { log: pino({ level: "debug" }, sink), text: () => text };
}

describe("a server that a command starts", () => {
  it("is awaited, serves, is restarted when it ends, and ends with the fleet", async () => {
    const fleet = fleetOf(launched());
    const first = await chat(fleet, "hello");
    expect(first).toMatch(/^hello from \d+ and \d+$/);
    expect(await chat(fleet, "hello", false)).toBe(first);
    await expect(chat(fleet, "exit")).rejects.toMatchObject({ code: "unavailable" });
    await until(() => fleet.status()[0]!.restarts === 1 && fleet.status()[0]!.state === "ready");
    const second = await chat(fleet, "again");
    const pids = [first, second].flatMap((response) => response.match(/\d+/g)!.map(Number));
    expect(new Set(pids).size).toBe(4);
    await fleet.close(0);
    await until(() => pids.every((pid) => !isRunning(pid)));
  });

  it("logs its output when it fails, and shows clients only the exit", async () => {
    const { log, text } = keptLog();
    const fleet = fleetOf(launched("fails"), { log });
    const error = await route(fleet).catch((thrown) => thrown);
    const message = "The model's engine ended while loading (exit code 3).";
    expect(error).toMatchObject({
      code: "UNAVAILABLE",
      message: `Starting again; last failure: ${message}`,
    });
    const line = text()
      .split("\n")
      .find((one) => one.includes(`"tail":["CUDA`));
    expect(JSON.parse(line!)).toMatchObject({
      replica: "m/replicas/0",
      deployment: "m",
      tail: ["CUDA out of memory"],
    });
    expect(JSON.stringify(fleet.observe("m"))).not.toContain("CUDA");
    expect(fleet.observe("m")!.replicas[0]!.lastFailure).toMatchObject({
      message,
      exitCode: 3,
      signal: null,
    });
    expect(fleet.diagnostics("m")).toMatchObject([
      { replica: "m/replicas/0", message, outputTail: ["CUDA out of memory"] },
    ]);
  });

  it("has none of its output logged once it serves, as the output may quote requests", async () => {
    const { log, text } = keptLog();
    const fleet = fleetOf(launched(), { log });
    await chat(fleet, "a secret prompt");
    await expect(chat(fleet, "exit a secret prompt")).rejects.toThrow();
    await until(() => fleet.status()[0]!.restarts === 1);
    expect(text()).toContain("replica ready");
    expect(text()).not.toContain("secret");
  });

  it.each([
    ["ends itself by a signal", "process.kill(process.pid, 'SIGKILL')", "SIGKILL"],
    ["crashes", "process.kill(process.pid, 'SIGSEGV')", "SIGSEGV"],
  ])("names the signal when it %s while loading", async (_what, script, signal) => {
    const command = [process.execPath, "-e", script, "{port}"];
    const fleet = fleetOf(alwaysOnSpec("m", { command, weights: null, upstreamModel: "m" }));
    await expect(route(fleet)).rejects.toThrow(`The model's engine ended while loading (signal ${signal}`);
    expect(fleet.observe("m")!.replicas[0]!.lastFailure).toMatchObject({ exitCode: null, signal });
  });

  it("names its exit code in the replica's message when it ends while serving", async () => {
    const fleet = fleetOf(launched(), { random: () => 1 });
    await expect(chat(fleet, "exit")).rejects.toMatchObject({ code: "unavailable" });
    const message = "Starting again; last failure: The model's engine ended (exit code 4).";
    await until(() => fleet.observe("m")!.message === message);
  });

  it("is ended when it is not loaded in time", async () => {
    const command = [process.execPath, "-e", "setInterval(() => {}, 1000)", "{port}"];
    const spec = alwaysOnSpec("m", { command, weights: null, upstreamModel: "m" });
    const fleet = fleetOf(spec, { loadTimeoutMs: 100 });
    await expect(route(fleet)).rejects.toMatchObject({
      message: "Starting again; last failure: The model took too long to load.",
    });
    // The platform's own SIGKILL is not reported as the reason.
    expect(fleet.observe("m")!.replicas[0]!.lastFailure).toMatchObject({ exitCode: null, signal: null });
  });
});

describe("a server that the platform does not run", () => {
  it("gets no requests until it answers", async () => {
    const server = createServer((_request, response) => void response.end("{}"));
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const baseUrl = `http://127.0.0.1:${port}/v1`;
    const attach = () => createOpenAiServerEngine({ baseUrl, upstreamModel: "m" });
    const fleet = fleetOf(alwaysOnSpec("m", { attach }), { random: () => 0 });
    await expect(route(fleet)).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: "Starting again; last failure: The model's server does not answer.",
    });
    server.listen(port, "127.0.0.1");
    await until(() => fleet.status()[0]!.state === "ready");
    await route(fleet);
  });
});

describe("a server that the platform does not run and that falls silent", () => {
  /** Streams a token at each call of `say` and answers nothing once it `isSilent`. */
  async function startServer() {
    const state = { isSilent: false, say: () => {} };
    const server = createServer((request, response) => {
      if (state.isSilent) return;
      if (request.method === "GET") return void response.end("{}");
      response.writeHead(200, { "content-type": "text/event-stream" });
      state.say = () => void response.write(`data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n`);
      state.say();
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const baseUrl = `http://127.0.0.1:${port}/v1`;
    const clock = new FakeClock();
    const attach = () => createOpenAiServerEngine({ baseUrl, upstreamModel: "m" });
    return { state, clock, fleet: fleetOf(alwaysOnSpec("m", { attach }), { clock }) };
  }

  async function begin(fleet: Fleet): Promise<AsyncIterator<EngineEvent>> {
    const input = { kind: "chat", messages: [{ role: "user", content: "x" }] } as const;
    const request = { id: "r", input, sampling: {}, n: 1, maxTokens: 10, stop: [], stream: true };
    const engine = await route(fleet);
    const events = engine.generate(request, new AbortController().signal)[Symbol.asyncIterator]();
    expect((await events.next()).value).toMatchObject({ type: "delta" });
    return events;
  }

  /** Lets the health checks of as many intervals meet the server. */
  async function check(clock: FakeClock, intervals: number): Promise<void> {
    for (let i = 0; i < intervals; i++) {
      clock.advance(5_000);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  it("ends what is in flight as soon as it is declared dead", async () => {
    const { state, clock, fleet } = await startServer();
    const events = await begin(fleet);
    state.isSilent = true;
    const failed = expect(events.next()).rejects.toMatchObject({
      code: "unavailable",
      message: "The model's server does not answer.",
    });
    await check(clock, 3);
    await failed;
    expect(fleet.status()).toMatchObject([{ state: "unhealthy", outstanding: 0 }]);
    state.isSilent = false;
    await until(() => {
      clock.advance(5_000);
      return fleet.status()[0]!.state === "ready";
    });
    await begin(fleet);
  });

  it("is not declared dead while its streams go on", async () => {
    const { state, clock, fleet } = await startServer();
    const events = await begin(fleet);
    state.isSilent = true;
    for (let i = 0; i < 6; i++) {
      state.say();
      await events.next();
      await check(clock, 1);
    }
    expect(fleet.status()).toMatchObject([{ state: "ready", outstanding: 1 }]);
  });
});

describe("accelerators", () => {
  const H100 = "NVIDIA_H100_80GB";
  const host = { accelerators: new Map([[H100, 2]]) };
  const asking = (count: number, overrides: Partial<DeploymentSpec> = {}): DeploymentSpec => ({
    ...launched(),
    accelerators: { type: H100, count },
    ...overrides,
  });

  it("leave the deployment pending when the host doesn't have them, with a message that names what is missing", async () => {
    const fleet = fleetOf(asking(1));
    const message = `This host has no accelerators; a replica needs 1 ${H100}.`;
    await until(() => fleet.observe("m")!.message === message);
    expect(fleet.observe("m")).toMatchObject({ replicas: [{ stage: "pending", state: "unplaceable" }] });
    // The request may be another account's, and may as well come again later.
    await expect(route(fleet)).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: `A replica needs 1 ${H100}, which this host lacks.`,
      retryAfterS: 60,
    });
    // A spec without accelerators makes the deployment run.
    fleet.apply({ ...launched(), revision: "2" });
    expect(await chat(fleet, "hello")).toMatch(/^hello/);
  });

  it("are given to a waiting replica when another replica ends", async () => {
    const fleet = fleetOf(asking(2), { host });
    await route(fleet);
    expect(fleet.host().accelerators).toEqual([{ type: H100, total: 2, free: 0 }]);
    fleet.apply({ ...asking(2), id: "other" });
    const waiting = `Waiting for 2 ${H100}; 0 of this host's are free.`;
    await until(() => fleet.observe("other")!.message === waiting);
    expect(fleet.observe("other")!.replicas).toMatchObject([{ stage: "pending", state: "pending" }]);
    await expect(fleet.route({ deployment: "other" }, new AbortController().signal)).rejects.toThrow(
      new RegExp(`^Waiting for 2 ${H100}\\.$`),
    );
    await fleet.remove("m", { graceMs: 0 });
    await until(() => fleet.observe("other")!.replicas[0]!.stage === "ready");
    expect(fleet.host().accelerators).toEqual([{ type: H100, total: 2, free: 0 }]);
  });

  it("are freed by a replica of the old revision for one of the new when all are in use", async () => {
    const fleet = fleetOf(asking(2), { host });
    const first = await chat(fleet, "hello");
    fleet.apply(asking(2, { revision: "2" }));
    await until(() => {
      const [replica, ...others] = fleet.status();
      return others.length === 0 && replica!.stage === "ready" && replica!.id !== "m/replicas/0";
    });
    expect(await chat(fleet, "hello")).not.toBe(first);
  });
});

it("a model file that is broken is named as the reason, without its path", async () => {
  const dir = mkdtempSync(join(tmpdir(), "hearth-launch-"));
  const path = join(dir, "broken.gguf");
  writeFileSync(path, "GGUF\u0003 and nothing that a model needs");
  const spec = alwaysOnSpec("m", {
    kind: "llama-cpp",
    weights: { fetch: async () => path },
    options: (modelPath) => ({ modelPath, slots: 1 }),
  });
  const fleet = fleetOf(spec, { kinds: { "llama-cpp": llamaCppKind } });
  await until(() => fleet.observe("m")!.replicas[0]!.lastFailure !== null);
  const { message } = fleet.observe("m")!.replicas[0]!.lastFailure!;
  expect(message).toBe(
    "The model's weights file can't be loaded: it is damaged or of a kind that is not supported.",
  );
  expect(JSON.stringify(fleet.observe("m"))).not.toContain(dir);
  rmSync(dir, { recursive: true });
});

it("weights that don't fit beside those of the other replicas wait until these have ended", async () => {
  const dir = mkdtempSync(join(tmpdir(), "hearth-launch-"));
  const specOf = (id: string, sizeBytes: number): DeploymentSpec => {
    const path = join(dir, id);
    writeFileSync(path, "x".repeat(sizeBytes));
    const engine = { ...(launched().engine as CommandEngine), weights: { fetch: async () => path } };
    return { ...launched(), id, engine };
  };
  const fleet = fleetOf(specOf("m", 600), { host: { memoryBytes: 1_000 } });
  await route(fleet);
  fleet.apply(specOf("other", 500));
  await until(() => fleet.observe("other")!.replicas[0]?.state === "pending");
  expect(fleet.observe("other")!.message).toBe(
    "Waiting for 0.0 GB of memory; 0.0 GB of this host's are free.",
  );
  // Another replica of the same file needs no more memory.
  fleet.apply({ ...specOf("m", 600), minReplicas: 2, maxReplicas: 2 });
  await until(() => fleet.observe("m")!.replicas.filter(({ state }) => state === "ready").length === 2);
  await fleet.remove("m", { graceMs: 0 });
  await until(() => fleet.observe("other")!.replicas[0]!.state === "ready");
  rmSync(dir, { recursive: true });
});

it("weights that don't fit the memory leave the replica unplaceable, and nothing is started", async () => {
  const dir = mkdtempSync(join(tmpdir(), "hearth-launch-"));
  const path = join(dir, "huge.gguf");
  // A sparse file, which takes no room on the disk.
  writeFileSync(path, "");
  truncateSync(path, 2 ** 43);
  const spec = alwaysOnSpec("m", {
    command: ["/no/such", "{port}"],
    upstreamModel: "m",
    weights: { fetch: async () => path },
  });
  const fleet = fleetOf(spec);
  await until(() => fleet.observe("m")!.message?.startsWith("The model needs more than 8796.1 GB") === true);
  await expect(route(fleet)).rejects.toMatchObject({
    message: "The model needs more than 8796.1 GB of memory, which this host lacks.",
    retryAfterS: 60,
  });
  rmSync(dir, { recursive: true });
});
