import type { Clock } from "../../lib/clock.ts";
import type { ShapeSource } from "./apply-shape.ts";
import type { DirectRouteKeys } from "./direct-route-keys.ts";
import type { ModelSource, SizeCheck, WeightsFormatFor } from "./model-compatibility.ts";
import type { DeploymentStore } from "./store.ts";

/** Runs `work`, unless the account would then hold more accelerators of the type than its quota. */
export type AcceleratorQuota = <T>(
  accountId: string,
  type: string,
  /** Accelerators that the deployment would hold. */
  count: number,
  /** Accelerators that the account's other deployments hold. */
  others: () => Promise<number>,
  work: () => Promise<T>,
) => Promise<T>;

/** Dependencies of the operations on deployments. */
export interface DeploymentOperationDeps {
  store: DeploymentStore;
  clock: Clock;
  accounts: { exists(accountId: string): Promise<boolean> };
  models: ModelSource;
  shapes: ShapeSource;
  checkSize: SizeCheck;
  weightsFormatFor: WeightsFormatFor;
  keys: DirectRouteKeys;
  acceleratorQuota: AcceleratorQuota | undefined;
  /** @throws AppError when the account may not run more than it does. */
  checkGrowth(accountId: string): void;
  /** The region in the settings; null: not set. */
  hostRegion: string | null;
  /** Makes this process run and route what the account's rows say, and waits for it. */
  notifyChanged(accountId: string): Promise<void>;
}
