/** Rate limits: two gateways get more requests than the limit; measures the admissions in any minute and the time of an admission. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../src/lib/clock.ts";
import { createLimits, type Limits, openLimitsStore } from "../../src/metering/limits/service.ts";
import { openDatabase } from "../../src/platform/db/database.ts";
import { startEmbeddedPostgres } from "../../src/platform/db/embedded-postgres.ts";
import { testRedis } from "../../test/harness/redis.ts";
import { type Goal, number, printTable } from "../report.ts";
import { percentile } from "../stats.ts";

export interface LimitsOptions {
  /** Must be more than a minute for a meaningful result: the limit is per minute. */
  loadMs: number;
}

const LIMIT = 6_000;
const TICK_MS = 20;
/** Requests per gateway and tick; over both gateways four times the limit. */
const STEADY = 4;
const BURST = 400;
const BURST_EVERY_MS = 12_000;
const PRINCIPAL = { accountId: "bench", keyId: "key" };
const MODEL = "accounts/fireworks/models/m";
const DESTINATION = { model: MODEL, deployment: MODEL, isolation: "account" } as const;
const ASK = { n: 1, bodySizeBytes: 400, maxTokens: 100 };
const USE = { promptTokens: 100, completionTokens: 50 };
const log = { debug() {}, info() {}, warn: console.error, error: console.error };

export async function runLimits(options: LimitsOptions): Promise<{ results: unknown; goals: Goal[] }> {
  const folder = await mkdtemp(join(tmpdir(), "hearth-bench-"));
  const server = await startEmbeddedPostgres({ dataDir: join(folder, "postgres"), log });
  const redis = await testRedis().catch((error: Error) => {
    console.log(error.message);
    return null;
  });
  try {
    const database = await openDatabase({ url: server.url, log });
    await database.migrate();
    const measure = async (name: string, redisUrl: string | null) => {
      const gateways: Limits[] = [];
      for (let i = 0; i < 2; i += 1) {
        const store = await openLimitsStore({ database, redisUrl, log });
        gateways.push(
          await createLimits({ clock: systemClock, peerSync: { store, log }, requestsPerMinute: LIMIT }),
        );
      }
      const result = { name, ...(await load(gateways, options)) };
      for (const limits of gateways) await limits.close();
      return result;
    };
    const results = await Promise.all([
      measure("PostgreSQL", null),
      redis === null ? { name: "Redis", ...NOT_AVAILABLE } : measure("Redis", redis.url),
    ]);
    await database.close();
    return { results, goals: report(results) };
  } finally {
    await redis?.stop();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Loaded {
  offered: number;
  admitted: number;
  /** Admissions in the busiest minute divided by the limit. */
  busiest: number;
  /** Time of admitting and settling one request. */
  medianUs: number;
  p99Us: number;
}

const NOT_AVAILABLE: Loaded = {
  offered: Number.NaN,
  admitted: Number.NaN,
  busiest: Number.NaN,
  medianUs: Number.NaN,
  p99Us: Number.NaN,
};

async function load(gateways: readonly Limits[], { loadMs }: LimitsOptions): Promise<Loaded> {
  const admittedAtMs: number[] = [];
  const timesUs: number[] = [];
  const startMs = performance.now();
  let [bursts, offered] = [0, 0];
  for (let nowMs = startMs; nowMs - startMs < loadMs; nowMs = performance.now()) {
    const isBurst = nowMs - startMs >= bursts * BURST_EVERY_MS;
    if (isBurst) bursts += 1;
    for (const limits of gateways) {
      for (let i = 0; i < (isBurst ? BURST : STEADY); i += 1) {
        offered += 1;
        const askedMs = performance.now();
        try {
          limits.admit(PRINCIPAL, DESTINATION, ASK).settle(USE);
          timesUs.push((performance.now() - askedMs) * 1_000);
          admittedAtMs.push(askedMs);
        } catch {
          // The request was refused.
        }
      }
    }
    await sleep(TICK_MS);
  }
  let busiest = 0;
  for (let from = 0, to = 0; to < admittedAtMs.length; to += 1) {
    while (admittedAtMs[from]! <= admittedAtMs[to]! - 60_000) from += 1;
    busiest = Math.max(busiest, to - from + 1);
  }
  const [medianUs, p99Us] = [percentile(timesUs, 0.5), percentile(timesUs, 0.99)];
  return { offered, admitted: timesUs.length, busiest: busiest / LIMIT, medianUs, p99Us };
}

function report(results: readonly (Loaded & { name: string })[]): Goal[] {
  printTable(
    `Two gateways, a limit of ${number(LIMIT)} requests a minute`,
    ["they share by", "offered", "admitted", "busiest minute", "asking, median", "p99"],
    results.map(({ name, offered, admitted, busiest, medianUs, p99Us }) => [
      name,
      number(offered),
      number(admitted),
      `${number(busiest)}×`,
      `${number(medianUs)} µs`,
      `${number(p99Us)} µs`,
    ]),
  );
  return results.flatMap(({ name, busiest, p99Us }): Goal[] => [
    { name: `two gateways by ${name}, busiest minute`, value: busiest, limit: 1.01, kind: "max", unit: "×" },
    { name: `limits by ${name}, p99 of a request`, value: p99Us, limit: 100, kind: "max", unit: "µs" },
  ]);
}
