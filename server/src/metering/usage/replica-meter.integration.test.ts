import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { silentLog, type TestDatabase, testDatabase } from "../../../test/harness/database.ts";
import { FakeClock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { ownIdentity } from "../../platform/process/identity.ts";
import { acceleratorTime } from "./accelerator-store.ts";
import type { UsageSource } from "./record.ts";
import { meterReplicas, type ServingReplica } from "./replica-meter.ts";
import { createUsageLedger } from "./service.ts";

const START = Date.UTC(2026, 0, 31, 23, 59, 30);
const DEPLOYMENT = "accounts/acme/deployments/d";

function replica(index: number, accelerators: ServingReplica["accelerators"] = null): ServingReplica {
  return {
    id: `${DEPLOYMENT}/replicas/${index}`,
    accountId: "acme",
    deployment: DEPLOYMENT,
    model: "accounts/acme/models/m",
    accelerators,
  };
}

const H100 = { type: "NVIDIA_H100_80GB", count: 2 };

/** A clock whose wall time a test can set, while the monotonic time goes on. */
class SetClock extends FakeClock {
  aheadMs = 0;
  override now(): number {
    return super.now() + this.aheadMs;
  }
}

interface Closed {
  source: UsageSource;
  quantity: number;
}

function setUp(serving: ServingReplica[]) {
  const clock = new SetClock(START);
  const closed: Closed[] = [];
  const state = { refuses: false };
  const ledger = {
    open() {
      if (state.refuses) throw new AppError("UNAVAILABLE", "full");
    },
    close(source: UsageSource) {
      closed.push({ source, quantity: source.quantity });
    },
  };
  const meter = meterReplicas({ ledger, clock, log: silentLog, serving: () => serving });
  const total = () => closed.reduce((sum, { quantity }) => sum + quantity, 0);
  return { clock, closed, state, meter, total };
}

describe("the time of replicas", () => {
  test("is recorded in one row a minute, in the minute's month, as milliseconds times accelerators", () => {
    const { clock, closed, meter } = setUp([replica(0, H100)]);
    clock.advance(95_000);
    meter.stop();
    expect(
      closed.map(({ source, quantity }) => [new Date(source.startedAtMs).toISOString(), quantity]),
    ).toEqual([
      ["2026-01-31T23:59:30.000Z", 60_000],
      ["2026-02-01T00:00:00.000Z", 120_000],
      ["2026-02-01T00:01:00.000Z", 10_000],
    ]);
    expect(closed[0]!.source).toMatchObject({
      accountId: "acme",
      deployment: DEPLOYMENT,
      kind: "gpu_seconds",
      pricedAs: "NVIDIA_H100_80GB",
      endpoint: "NVIDIA_H100_80GB",
      replica: `${DEPLOYMENT}/replicas/0`,
      promptTokens: 0,
    });
  });

  test("is CPU time for replicas without accelerators", () => {
    const { clock, closed, meter } = setUp([replica(0)]);
    clock.advance(5_000);
    meter.stop();
    expect(closed).toMatchObject([{ quantity: 5_000, source: { kind: "cpu_seconds", pricedAs: "CPU" } }]);
  });

  test("ends at the moment when the end of a replica is reported", () => {
    const serving = [replica(0), replica(1)];
    const { clock, meter, total } = setUp(serving);
    clock.advance(2_345);
    serving.pop();
    meter.sample();
    expect(total()).toBe(2_345);
    clock.advance(10_000);
    meter.stop();
    meter.stop();
    expect(total()).toBe(2_345 + 12_345);
  });

  test("includes the time during which the ledger refused rows", () => {
    const { clock, state, meter, total } = setUp([replica(0)]);
    clock.advance(20_000);
    state.refuses = true;
    clock.advance(120_000);
    state.refuses = false;
    clock.advance(10_000);
    meter.stop();
    expect(total()).toBe(150_000);
  });

  test("is the elapsed time even if the wall clock is set meanwhile, and no row is longer than a minute", () => {
    const steps = fc.array(
      fc.record({
        passMs: fc.integer({ min: 1, max: 200_000 }),
        jumpMs: fc.integer({ min: -1e8, max: 1e8 }),
      }),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(steps, (history) => {
        const { clock, closed, meter, total } = setUp([replica(0)]);
        let passedMs = 0;
        for (const { passMs, jumpMs } of history) {
          clock.aheadMs += jumpMs;
          clock.advance(passMs);
          passedMs += passMs;
        }
        meter.stop();
        expect(total()).toBe(passedMs);
        // One more second, because the end is noticed at the next sample.
        expect(closed.every(({ quantity }) => quantity <= 61_000)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });
});

describe("the time of replicas in the ledger", () => {
  let database: TestDatabase;
  let root: string;
  beforeAll(async () => {
    database = await testDatabase();
    root = mkdtempSync(join(tmpdir(), "hearth-replica-time-"));
  });
  afterAll(async () => {
    await database.drop();
    rmSync(root, { recursive: true, force: true });
  });
  beforeEach(() => database.sql`truncate usage_records, usage_hourly, usage_daily`.then(() => {}));

  test("survives a crash of the process except for the last moments, with its cost", async () => {
    const clock = new FakeClock(START);
    const prices = {
      priceOf: () => ({ input: 0n, cachedInput: 0n, output: 0n, quantity: 5_000_000n, per: 3_600_000n }),
    };
    const dead = { ...ownIdentity(), pid: 2 ** 30, startedAt: "long ago" };
    const options = { database, clock, log: silentLog, prices };
    const ledger = createUsageLedger({ ...options, folder: join(root, "live"), identity: dead });
    meterReplicas({ ledger, clock, log: silentLog, serving: () => [replica(0, H100)] });
    clock.advance(42_700);
    cpSync(join(root, "live"), join(root, "left"), { recursive: true });
    const survivor = createUsageLedger({ ...options, folder: join(root, "left") });
    await survivor.flush();
    const rows = await survivor.list({});
    expect(rows.reduce((sum, row) => sum + row.quantity, 0)).toBe(84_000);
    // 60 s and 24 s at $5 an hour.
    expect(rows.map(({ outcome, costMicros }) => [outcome, costMicros])).toEqual([
      ["ok", 83_333n],
      ["interrupted", 33_333n],
    ]);
    const share = { accountId: "acme", acceleratorType: H100.type, deployment: DEPLOYMENT };
    const [from, to] = [new Date("2026-01-31T23:00:00Z"), new Date("2026-02-01T01:00:00Z")];
    expect(await acceleratorTime(database, ["acme"], from, to)).toEqual([
      { ...share, hour: from, durationMs: 60_000n, costMicros: 83_333n },
      { ...share, hour: new Date("2026-02-01T00:00:00Z"), durationMs: 24_000n, costMicros: 33_333n },
    ]);
    await survivor.shutDown();
  });
});
