import type { Clock } from "../lib/clock.ts";
import type { ProcessUse } from "./launchers/process-use.ts";

export interface HealthWatchOptions {
  clock: Clock;
  intervalMs: number;
  /** Consecutive checks without an answer or progress after which the engine counts as unhealthy. */
  maxMisses: number;
  /** Resolves while the engine answers. */
  check: () => Promise<void>;
  /** Whether the engine's work has progressed since the previous call. */
  hasProgressed: () => boolean;
  /** Resources that the engine's processes have used so far; null: not known. */
  readUse: () => ProcessUse | null;
  /** Called when the engine becomes unhealthy, and when it answers again. */
  onChange: (isHealthy: boolean) => void;
}

/** A starved engine is given this many times the patience. */
const STARVED_PATIENCE = 10;
/** An engine that got less than this share of one processor is not starved but waits for something. */
const LEAST_SHARE = 0.01;

/**
 * Checks an engine at intervals. It is healthy while it answers, late answers included, or delivers output. An engine
 * whose processes wait for processor time or memory on a busy machine is given as much time as it needs to compute for the
 * usual patience, up to ten times as long. The returned function ends the checks.
 */
export function watchHealth(options: HealthWatchOptions): () => void {
  const { clock, intervalMs, maxMisses, check, hasProgressed, readUse, onChange } = options;
  let isAnswered = true;
  let isHealthy = true;
  let misses = 0;
  let useAtFirstMiss: ProcessUse | null = null;
  let isStopped = false;
  let cancel = () => {};

  const answered = () => {
    isAnswered = true;
    misses = 0;
    if (isHealthy || isStopped) return;
    isHealthy = true;
    onChange(true);
  };
  const isStarved = () => {
    const use = readUse();
    if (use === null || useAtFirstMiss === null || misses >= STARVED_PATIENCE * maxMisses) return false;
    const cpuMs = use.cpuMs - useAtFirstMiss.cpuMs;
    if (cpuMs >= intervalMs * maxMisses) return false;
    return cpuMs >= LEAST_SHARE * intervalMs * misses || use.majorFaults > useAtFirstMiss.majorFaults;
  };
  const missed = () => {
    if (++misses === 1) useAtFirstMiss = readUse();
    if (!isHealthy || misses < maxMisses || isStarved()) return;
    isHealthy = false;
    onChange(false);
  };
  const runCheck = () => {
    const progressed = hasProgressed();
    if (progressed) answered();
    else if (!isAnswered) missed();
    if (isStopped) return;
    isAnswered = false;
    check().then(answered, () => {});
    cancel = clock.after(intervalMs, runCheck);
  };
  cancel = clock.after(intervalMs, runCheck);
  return () => {
    isStopped = true;
    cancel();
  };
}
