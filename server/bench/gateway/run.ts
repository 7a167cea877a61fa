/** The gateway benchmark: throughput, latency and CPU per request, compared with a bare proxy and with Portkey. */
import type { ChildProcess } from "node:child_process";
import { end, nextMessage, startNode, type TreeUsage, usageOfTree } from "../processes.ts";
import { type Goal, number, printTable } from "../report.ts";
import { median, shuffled, spreadPercent, summarize } from "../stats.ts";
import {
  type Contender,
  direct,
  hearth,
  LOAD_CORE,
  ownProxy,
  portkey,
  unmeteredHearth,
} from "./contenders.ts";
import type { LoadOrder, LoadResult } from "./load.ts";
import { chatBody } from "./traffic.ts";

interface Case {
  name: string;
  connections: number;
  stream: boolean;
}

const CASES: readonly Case[] = [
  { name: "1 connection", connections: 1, stream: false },
  { name: "16 connections", connections: 16, stream: false },
  { name: "64 connections", connections: 64, stream: false },
  { name: "16 connections, 64-chunk streams", connections: 16, stream: true },
];

interface Sample {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** CPU µs a request of the contender, PostgreSQL left out; NaN for direct. */
  cpuMicros: number;
  postgresMicros: number;
  /** CPU µs a request of load generator and upstream together. */
  loadMicros: number;
}

type Samples = Map<string, Map<string, Sample[]>>;

export interface GatewayOptions {
  rounds: number;
  /**
   * Requests that each contender answers before the measurement, so that its code is JIT-compiled; a tenth of them for
   * streams. The warm-up ends after `compileMs` at the latest.
   */
  compileRequests: number;
  compileMs: number;
  warmUpMs: number;
  measureMs: number;
  /** No new round begins after this time. */
  budgetMs: number;
}

export async function runGateway(options: GatewayOptions): Promise<{ results: unknown; goals: Goal[] }> {
  const load = startNode(new URL("./load.ts", import.meta.url), [], { core: LOAD_CORE });
  const contenders: Contender[] = [];
  try {
    const { upstreamPort } = await nextMessage<{ upstreamPort: number }>(load, 120_000);
    contenders.push(
      direct(upstreamPort),
      await ownProxy("bare undici proxy", "./bare-proxy.ts", upstreamPort),
    );
    contenders.push(await ownProxy("adapter alone", "./adapter-proxy.ts", upstreamPort));
    for (const start of [portkey, hearth, unmeteredHearth]) {
      try {
        contenders.push(await start(upstreamPort));
      } catch (error) {
        complain(`${start.name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    const samples = await measureAll(load, contenders, options);
    report(samples);
    return { results: plain(samples), goals: goals(samples) };
  } finally {
    for (const contender of contenders) {
      if (contender.process !== null) await end(contender.process);
      await contender.dispose();
    }
    await end(load, 1_000);
  }
}

/** Each round visits all contenders and cases in a random order, so that a slow minute affects all alike. */
async function measureAll(
  load: ChildProcess,
  contenders: readonly Contender[],
  options: GatewayOptions,
): Promise<Samples> {
  const samples: Samples = new Map(
    CASES.map(({ name }) => [name, new Map(contenders.map((contender) => [contender.name, []]))]),
  );
  for (const contender of contenders) {
    // Warm-up: until the code is JIT-compiled and the caches are full.
    for (const { connections, stream } of CASES.slice(2)) {
      await measure(
        load,
        contender,
        { connections, stream },
        {
          warmUpMs: options.compileMs,
          measureMs: 100,
          warmUpRequests: stream ? options.compileRequests / 10 : options.compileRequests,
        },
      );
    }
  }
  const untilMs = performance.now() + options.budgetMs;
  for (let round = 0; round < options.rounds; round += 1) {
    if (round > 0 && performance.now() > untilMs) break;
    for (const testCase of shuffled(CASES)) {
      for (const contender of shuffled(contenders)) {
        const { warmUpMs, measureMs } = options;
        const sample = await measure(load, contender, testCase, { warmUpMs, measureMs });
        if (sample !== null) samples.get(testCase.name)!.get(contender.name)!.push(sample);
      }
    }
  }
  return samples;
}

async function measure(
  load: ChildProcess,
  contender: Contender,
  { connections, stream }: Pick<Case, "connections" | "stream">,
  duration: Pick<LoadOrder, "warmUpMs" | "warmUpRequests" | "measureMs">,
): Promise<Sample | null> {
  const order: LoadOrder = {
    port: contender.port,
    path: contender.path,
    headers: contender.headers,
    body: chatBody(stream),
    connections,
    ...duration,
  };
  const timeoutMs = duration.warmUpMs + duration.measureMs + 60_000;
  const usage = (): TreeUsage | null => (contender.process === null ? null : usageOfTree(contender.process));
  load.send(order);
  await nextMessage<{ phase: "start" }>(load, timeoutMs);
  const before = usage();
  await nextMessage<{ phase: "end" }>(load, timeoutMs);
  const after = usage();
  const { result } = await nextMessage<{ result: LoadResult }>(load, timeoutMs);
  if (result.failures > 0) {
    complain(`${contender.name}, ${stream ? "streamed" : "whole"}: requests failed, e.g.: ${result.sample}`);
    return null;
  }
  const perRequest = (ms: number) => (ms * 1000) / result.requests;
  return {
    perSecond: result.requests / result.seconds,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    cpuMicros: before === null ? Number.NaN : perRequest(after!.cpuMs - before.cpuMs),
    postgresMicros: before === null ? Number.NaN : perRequest(after!.postgresCpuMs - before.postgresCpuMs),
    loadMicros: perRequest(result.loadCpuMs),
  };
}

const complaints = new Set<string>();

/** Prints each kind of problem once. */
function complain(problem: string): void {
  const line = problem.replaceAll(/\s+/g, " ");
  const key = line.slice(0, 60);
  if (!complaints.has(key)) console.log(`left out: ${line.slice(0, 300)}`);
  complaints.add(key);
}

function middle(samples: Samples, testCase: string, contender: string, field: keyof Sample): number {
  return median((samples.get(testCase)?.get(contender) ?? []).map((sample) => sample[field]));
}

function report(samples: Samples): void {
  for (const [testCase, byContender] of samples) {
    const of = (contender: string, field: keyof Sample) => middle(samples, testCase, contender, field);
    const bareCpu = of("bare undici proxy", "cpuMicros");
    const bareRate = of("bare undici proxy", "perSecond");
    printTable(
      `Gateway, ${testCase}`,
      [
        "",
        "requests/s",
        "±%",
        "× bare",
        "p50 ms",
        "added p50",
        "p99 ms",
        "CPU µs/req",
        "× bare",
        "PostgreSQL µs/req",
        "load µs/req",
      ],
      [...byContender].map(([name, list]) => [
        name,
        number(of(name, "perSecond")),
        number(spreadPercent(summarize(list.map((sample) => sample.perSecond)))),
        number(of(name, "perSecond") / bareRate),
        number(of(name, "p50Ms")),
        name === "direct" ? "–" : number(of(name, "p50Ms") - of("direct", "p50Ms")),
        number(of(name, "p99Ms")),
        number(of(name, "cpuMicros")),
        number(of(name, "cpuMicros") / bareCpu),
        number(of(name, "postgresMicros")),
        number(of(name, "loadMicros")),
      ]),
    );
  }
}

function goals(samples: Samples): Goal[] {
  const [one, sixteen, sixtyFour] = CASES.map(({ name }) => name) as [string, string, string];
  const value = (number: number): number | null => (Number.isFinite(number) ? number : null);
  const rate = (testCase: string) =>
    middle(samples, testCase, "hearth", "perSecond") /
    middle(samples, testCase, "portkey 1.15.2", "perSecond");
  return [
    {
      name: "gateway: requests/s beside Portkey, 16 connections",
      value: value(rate(sixteen)),
      limit: 12,
      kind: "min",
      unit: "×",
    },
    {
      name: "gateway: requests/s beside Portkey, 64 connections",
      value: value(rate(sixtyFour)),
      limit: 12,
      kind: "min",
      unit: "×",
    },
    {
      name: "gateway: CPU a request beside the bare proxy, 64 connections",
      value: value(
        middle(samples, sixtyFour, "hearth", "cpuMicros") /
          middle(samples, sixtyFour, "bare undici proxy", "cpuMicros"),
      ),
      limit: 1.4,
      kind: "max",
      unit: "×",
    },
    {
      name: "gateway: CPU a request beside none of limits, metering and spend checks, 64 connections",
      value: value(
        middle(samples, sixtyFour, "hearth", "cpuMicros") /
          middle(samples, sixtyFour, "hearth unmetered", "cpuMicros"),
      ),
      limit: 1.15,
      kind: "max",
      unit: "×",
    },
    {
      name: "gateway: added p50, 1 connection",
      value: value(middle(samples, one, "hearth", "p50Ms") - middle(samples, one, "direct", "p50Ms")),
      limit: 0.2,
      kind: "max",
      unit: "ms",
    },
  ];
}

function plain(samples: Samples): unknown {
  return Object.fromEntries(
    [...samples].map(([testCase, byContender]) => [
      testCase,
      Object.fromEntries(
        [...byContender].map(([name, list]) => [
          name,
          Object.fromEntries(
            (["perSecond", "p50Ms", "p99Ms", "cpuMicros", "postgresMicros", "loadMicros"] as const).map(
              (field) => [field, summarize(list.map((sample) => sample[field]))],
            ),
          ),
        ]),
      ),
    ]),
  );
}
