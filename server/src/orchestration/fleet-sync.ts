import { type DeployedModelRow, deployedModelName, fleetIdOf } from "../control/deployed-models/service.ts";
import {
  type DeploymentRow,
  deploymentName,
  type FetchFile,
  type FleetSpecDeps,
  fleetSpec,
  minReplicasAt,
} from "../control/deployments/service.ts";
import type { DeploymentSpec, Fleet, LoraSpec } from "../fleet/service.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../platform/telemetry/log.ts";

export interface FleetSyncDeps extends FleetSpecDeps {
  clock: Clock;
  fleet: Pick<Fleet, "apply" | "remove" | "observe">;
  log: Log;
  /** Whether what the account runs is to stand still. */
  isSuspended(accountId: string): boolean;
  /** What the platform runs for everybody, without its addons; applied by whoever made it. */
  serverless: readonly DeploymentSpec[];
}

const REMOVE_GRACE_MS = 30_000;
const RUNNING: ReadonlySet<DeploymentRow["state"]> = new Set(["CREATING", "READY", "UPDATING"]);

/** Brings what the database wants to the fleet of this process: deployments, and the addons on all. */
export class FleetSync {
  readonly #deps: FleetSyncDeps;
  /** What was applied, by the fleet's id: what is the same is not applied again. */
  readonly #applied = new Map<string, string>();

  constructor(deps: FleetSyncDeps) {
    this.#deps = deps;
    for (const { id } of deps.serverless) this.#applied.set(id, "[]");
  }

  sync(deployments: readonly DeploymentRow[], deployedModels: readonly DeployedModelRow[]): void {
    const addons = addonsByFleetId(deployedModels);
    const wanted = new Set<string>();
    for (const spec of this.#deps.serverless) {
      wanted.add(spec.id);
      const rows = addons.get(spec.id) ?? [];
      this.#apply(spec.id, rows, [], (adapters) => ({ ...spec, loras: adapters }));
    }
    for (const row of deployments) {
      const id = deploymentName(row);
      // What is being deleted is drained and removed by its own step.
      if (row.state === "DELETING") wanted.add(id);
      if (!RUNNING.has(row.state)) continue;
      wanted.add(id);
      const { spec, servedModel } = row;
      const fixedReplicas = this.#deps.isSuspended(row.accountId) ? 0 : row.fixedReplicas;
      // Schedules raise it for a time.
      const min = minReplicasAt(spec, this.#deps.clock.now());
      const parts = [spec, fixedReplicas, servedModel, min];
      this.#apply(id, addons.get(id) ?? [], parts, (adapters) =>
        fleetSpec({ ...row, fixedReplicas }, adapters, this.#deps, min),
      );
    }
    for (const id of this.#applied.keys()) if (!wanted.has(id)) this.#remove(id);
  }

  #apply(
    id: string,
    addons: readonly DeployedModelRow[],
    parts: readonly unknown[],
    specOf: (adapters: readonly LoraSpec[]) => DeploymentSpec,
  ): void {
    const names = addons.map(deployedModelName).sort();
    const signature = JSON.stringify([...parts, ...names]);
    const { fleet } = this.#deps;
    // What came back from the deleted is new to the fleet.
    if (this.#applied.get(id) === signature && fleet.observe(id) !== null) return;
    try {
      fleet.apply(specOf(addons.map((row) => this.#toLoraSpec(row))));
      this.#applied.set(id, signature);
    } catch (error) {
      this.#deps.log.error({ deployment: id, err: error }, "a deployment can't be run");
    }
  }

  #toLoraSpec(row: DeployedModelRow): LoraSpec {
    const fetch: FetchFile = this.#deps.fetchModel(row.model, null);
    return { id: deployedModelName(row), fetch };
  }

  #remove(id: string): void {
    this.#applied.delete(id);
    const { fleet, log } = this.#deps;
    fleet.remove(id, { graceMs: REMOVE_GRACE_MS }).catch((error) => {
      log.error({ deployment: id, err: error }, "a deployment can't be removed");
    });
  }
}

function addonsByFleetId(rows: readonly DeployedModelRow[]): Map<string, DeployedModelRow[]> {
  const addons = new Map<string, DeployedModelRow[]>();
  for (const row of rows) {
    if (!row.isAddon || row.state === "UNDEPLOYING") continue;
    const id = fleetIdOf(row);
    addons.set(id, [...(addons.get(id) ?? []), row]);
  }
  return addons;
}
