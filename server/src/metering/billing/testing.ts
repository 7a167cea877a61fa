import type { Clock } from "../../lib/clock.ts";
import type { HourlyCost, SuspendState, Suspensions, UsageCosts } from "./ports.ts";
import { HOUR_MS } from "./utc-periods.ts";

/** Usage in memory, shared by several gateways. A gateway's closed requests are visible after its `flush`. */
export class FakeUsage {
  readonly #rows: HourlyCost[] = [];

  /** The view of one gateway. */
  gateway(
    clock: Clock,
  ): UsageCosts & { close(accountId: string, costMicros: bigint, startedAtMs?: number): void } {
    const listeners: Parameters<UsageCosts["onClosed"]>[0][] = [];
    const waiting: HourlyCost[] = [];
    const within = (from: Date, to: Date) => this.#rows.filter(({ hour }) => hour >= from && hour < to);
    return {
      onClosed: (listener) => void listeners.push(listener),
      flush: async () => void this.#rows.push(...waiting.splice(0)),
      firstDay: async () =>
        this.#rows.reduce<Date | null>(
          (first, { hour }) => (first === null || hour < first ? hour : first),
          null,
        ),
      hourlyCosts: async (from, to) => sumUp(within(from, to)),
      async costs(from, to) {
        const sums = new Map<string, bigint>();
        for (const { accountId, costMicros } of within(from, to)) {
          sums.set(accountId, (sums.get(accountId) ?? 0n) + costMicros);
        }
        return sums;
      },
      close(accountId, costMicros, startedAtMs = clock.now()) {
        const hour = new Date(Math.floor(startedAtMs / HOUR_MS) * HOUR_MS);
        waiting.push({ accountId, hour, kind: "text", subject: "accounts/fireworks/models/m", costMicros });
        for (const listener of listeners) listener(accountId, costMicros, startedAtMs);
      },
    };
  }
}

function sumUp(rows: readonly HourlyCost[]): HourlyCost[] {
  const sums = new Map<string, HourlyCost>();
  for (const row of rows) {
    const key = `${row.accountId} ${row.hour.getTime()} ${row.kind} ${row.subject}`;
    const sum = sums.get(key);
    if (sum === undefined) sums.set(key, { ...row });
    else sum.costMicros += row.costMicros;
  }
  return [...sums.values()];
}

/** Suspensions in memory. */
export class FakeSuspensions implements Suspensions {
  readonly states = new Map<string, SuspendState>();

  async all(): Promise<ReadonlyMap<string, SuspendState>> {
    return new Map(this.states);
  }

  async change(accountId: string, from: SuspendState, to: SuspendState): Promise<boolean> {
    if ((this.states.get(accountId) ?? "UNSUSPENDED") !== from) return false;
    if (to === "UNSUSPENDED") this.states.delete(accountId);
    else this.states.set(accountId, to);
    return true;
  }
}
