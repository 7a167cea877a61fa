import type { Clock } from "../../lib/clock.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import { formatDollars } from "../money/service.ts";
import type { SpendStore } from "./spend-store.ts";

const MAX_RECORDED = 10_000;
const WARNING_PERCENTS = [50, 80, 100];

/** Warns of what accounts spend: at parts of their limit, and at the amounts that they have asked for. */
export class SpendAlerts {
  readonly #deps;
  /** Alerts that are in the database for sure. Bounded: emptied when full. */
  readonly #recorded = new Set<string>();

  constructor(deps: { clock: Clock; log: BasicLog; store: Pick<SpendStore, "addAlert"> }) {
    this.#deps = deps;
  }

  /** Once for each amount and month, whoever looks. @param own amounts that the account has asked for. */
  async warn(
    accountId: string,
    month: Date,
    { spentMicros, limitMicros }: { spentMicros: bigint; limitMicros: bigint | null },
    own: readonly bigint[],
  ): Promise<void> {
    const { store, clock, log } = this.#deps;
    for (const { percent, thresholdMicros } of [
      ...percentThresholds(limitMicros),
      ...own.map(customThreshold),
    ]) {
      const key = `${accountId} ${month.getTime()} ${percent} ${thresholdMicros}`;
      if (spentMicros < thresholdMicros || this.#recorded.has(key)) continue;
      const createTime = new Date(clock.now());
      const alert = { accountId, month, percent, thresholdMicros, limitMicros, spentMicros, createTime };
      if (await store.addAlert(alert)) {
        const figures = { spent: formatDollars(spentMicros), threshold: formatDollars(thresholdMicros) };
        log.warn(
          { accountId, percent, ...figures },
          "An account's spending has reached an amount to warn at",
        );
      }
      if (this.#recorded.size >= MAX_RECORDED) this.#recorded.clear();
      this.#recorded.add(key);
    }
  }
}

interface AlertThreshold {
  /** Of the limit; 0: the account's own. */
  percent: number;
  thresholdMicros: bigint;
}

const customThreshold = (thresholdMicros: bigint): AlertThreshold => ({ percent: 0, thresholdMicros });

function percentThresholds(limitMicros: bigint | null): AlertThreshold[] {
  if (limitMicros === null || limitMicros === 0n) return [];
  return WARNING_PERCENTS.map((percent) => ({
    percent,
    thresholdMicros: (limitMicros * BigInt(percent) + 99n) / 100n,
  }));
}
