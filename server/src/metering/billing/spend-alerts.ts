import type { Clock } from "../../lib/clock.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import { formatDollars } from "../money/service.ts";
import type { SpendStore } from "./spend-store.ts";

const MAX_RECORDED = 10_000;
const WARNING_PERCENTS = [50, 80, 100];

/** Records spending alerts: at percentages of an account's limit, and at thresholds that the account has set. */
export class SpendAlerts {
  readonly #deps;
  /** Cache of alerts that are in the database. Bounded: cleared when full. */
  readonly #recorded = new Set<string>();

  constructor(deps: { clock: Clock; log: BasicLog; store: Pick<SpendStore, "addAlert"> }) {
    this.#deps = deps;
  }

  /** Records each threshold that is reached, once a month across all gateways. */
  async warn(spending: {
    accountId: string;
    /** First day of the month (UTC). */
    month: Date;
    spentMicros: bigint;
    /** Null: unlimited. */
    limitMicros: bigint | null;
    /** Thresholds that the account has set. */
    customThresholds: readonly bigint[];
  }): Promise<void> {
    const { store, clock, log } = this.#deps;
    const { accountId, month, spentMicros, limitMicros, customThresholds } = spending;
    const thresholds = percentThresholds(limitMicros);
    for (const thresholdMicros of customThresholds) thresholds.push({ percent: 0, thresholdMicros });
    for (const { percent, thresholdMicros } of thresholds) {
      const key = `${accountId} ${month.getTime()} ${percent} ${thresholdMicros}`;
      if (spentMicros < thresholdMicros || this.#recorded.has(key)) continue;
      const createTime = new Date(clock.now());
      const alert = { accountId, month, percent, thresholdMicros, limitMicros, spentMicros, createTime };
      if (await store.addAlert(alert)) {
        const figures = { spent: formatDollars(spentMicros), threshold: formatDollars(thresholdMicros) };
        log.warn({ accountId, percent, ...figures }, "An account's spending has reached an alert threshold");
      }
      if (this.#recorded.size >= MAX_RECORDED) this.#recorded.clear();
      this.#recorded.add(key);
    }
  }
}

interface AlertThreshold {
  /** Percentage of the limit; 0: a threshold that the account has set. */
  percent: number;
  thresholdMicros: bigint;
}

function percentThresholds(limitMicros: bigint | null): AlertThreshold[] {
  if (limitMicros === null || limitMicros === 0n) return [];
  return WARNING_PERCENTS.map((percent) => ({
    percent,
    thresholdMicros: (limitMicros * BigInt(percent) + 99n) / 100n,
  }));
}
