import { type DeployedModelRow, deployedModelName, fleetIdOf } from "../control/deployed-models/service.ts";
import {
  type DeploymentRow,
  deploymentName,
  type FleetSpecDeps,
  failedError,
  fleetSpec,
  minReplicasAt,
} from "../control/deployments/service.ts";
import { type DeploymentSpec, type Fleet, type LoraSpec, publicMessage } from "../fleet/service.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../platform/telemetry/log.ts";

export interface FleetSyncDeps extends FleetSpecDeps {
  clock: Clock;
  fleet: Pick<Fleet, "apply" | "remove" | "observe">;
  log: Log;
  /** Whether the account is suspended: its deployments then run no replicas. */
  isSuspended(accountId: string): boolean;
  /** The deployments that the platform runs for everybody, without addons. The fleet runs them already. */
  serverless: readonly DeploymentSpec[];
}

const REMOVE_GRACE_MS = 30_000;
const RUNNING: ReadonlySet<DeploymentRow["state"]> = new Set(["CREATING", "READY", "UPDATING"]);

/** Applies the deployments of the database, each with its addons, to the fleet of this process. */
export class FleetSync {
  readonly #deps: FleetSyncDeps;
  /** Signatures of the specs that were applied, by the fleet's id: an unchanged spec is not applied again. */
  readonly #applied = new Map<string, string>();
  /** Why a spec could not be applied, by the fleet's id, in a public sentence. */
  readonly #errors = new Map<string, string>();

  constructor(deps: FleetSyncDeps) {
    this.#deps = deps;
    for (const { id } of deps.serverless) this.#applied.set(id, "[]");
  }

  /** Why the deployment as the database has it could not be applied; null when it was applied. */
  applyError(id: string): string | null {
    return this.#errors.get(id) ?? null;
  }

  sync(deployments: readonly DeploymentRow[], deployedModels: readonly DeployedModelRow[]): void {
    const addons = addonsByFleetId(deployedModels);
    const wanted = new Set<string>();
    for (const spec of this.#deps.serverless) {
      wanted.add(spec.id);
      this.#apply(spec.id, addons.get(spec.id) ?? [], [], (loras) => ({ ...spec, loras }));
    }
    for (const row of deployments) {
      const id = deploymentName(row);
      // The reconciler's step drains and removes a deployment that is being deleted.
      if (row.state === "DELETING") wanted.add(id);
      if (!RUNNING.has(row.state)) continue;
      wanted.add(id);
      const { spec, servedModel } = row;
      const fixedReplicas = this.#deps.isSuspended(row.accountId) ? 0 : row.fixedReplicas;
      const minReplicas = minReplicasAt(spec, this.#deps.clock.now());
      const parts = [spec, fixedReplicas, servedModel, minReplicas];
      this.#apply(id, addons.get(id) ?? [], parts, (loras) =>
        fleetSpec({ ...row, fixedReplicas }, loras, this.#deps, minReplicas),
      );
    }
    for (const id of this.#errors.keys()) if (!wanted.has(id)) this.#errors.delete(id);
    const failed = new Map(
      deployments.filter(({ state }) => state === "FAILED").map((row) => [deploymentName(row), row]),
    );
    for (const id of this.#applied.keys()) if (!wanted.has(id)) this.#remove(id, failed.get(id));
  }

  #apply(
    id: string,
    addons: readonly DeployedModelRow[],
    parts: readonly unknown[],
    specOf: (loras: readonly LoraSpec[]) => DeploymentSpec,
  ): void {
    const { fleet, fetchModel, log } = this.#deps;
    const signature = JSON.stringify([...parts, ...addons.map(deployedModelName).sort()]);
    // An undeleted deployment has its old signature but no fleet entry: apply it again.
    if (this.#applied.get(id) === signature && fleet.observe(id) !== null) {
      this.#errors.delete(id);
      return;
    }
    try {
      const loras = addons.map((row) => ({
        id: deployedModelName(row),
        fetch: fetchModel(row.model, null),
      }));
      fleet.apply(specOf(loras));
      this.#applied.set(id, signature);
      this.#errors.delete(id);
    } catch (error) {
      const reason = publicMessage(error, "The deployment can't be run here; the server's log says why.");
      if (this.#errors.get(id) !== reason)
        log.error({ deployment: id, err: error }, "deployment not applied");
      this.#errors.set(id, reason);
    }
  }

  /** @param failed the deployment's row when it is FAILED. */
  #remove(id: string, failed: DeploymentRow | undefined): void {
    this.#applied.delete(id);
    const { fleet, log } = this.#deps;
    const reason = failed === undefined ? {} : { error: failedError(failed) };
    fleet.remove(id, { graceMs: REMOVE_GRACE_MS, ...reason }).catch((error) => {
      log.error({ deployment: id, err: error }, "deployment not removed");
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
