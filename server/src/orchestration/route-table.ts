import type { Principal } from "../control/accounts/service.ts";
import {
  type DeployedModelRow,
  deployedModelName,
  fleetIdOf,
  isNewer,
} from "../control/deployed-models/service.ts";
import type { DeploymentRow } from "../control/deployments/service.ts";
import type { Clock } from "../lib/clock.ts";
import { AppError } from "../lib/errors.ts";
import { parseModelName } from "../lib/resource-names.ts";
import { deployedNameVariants, modelNameVariants } from "./model-name-variants.ts";

/** The destination of a request. */
export interface ModelRoute {
  /** The name that is billed and that the response shows. */
  model: string;
  /** The id of the deployment in the fleet. */
  deployment: string;
  /** The id of the LoRA; absent: the model without one. */
  lora?: string;
  /** Requests that may share cached prompts: those of one account, or all of the deployment. */
  isolation: "account" | "deployment";
  /** Requests of one session go to one replica. */
  sessionAffinity: boolean;
  /** Whether the fallback model replaces a library model that is not served here. */
  fallbackUsed: boolean;
  /** Whether what the fallback doesn't support is dropped from the request, with a header, and not refused. */
  dropsUnsupported?: boolean;
  /** Replaces the chat template of the weights; null: the weights' own applies. */
  chatTemplate: string | null;
}

/** The last use of a deployed model; unused ones are unloaded and unused deployments deleted. */
export interface LastUse {
  accountId: string;
  deployedModel: string;
  /** Null: serverless. */
  deployment: string | null;
  usedAtMs: number;
}

/** A deployed model under one of its names. */
interface DeployedModelEntry {
  accountId: string;
  isPublic: boolean;
  /** Full name. */
  model: string;
  ownerRoute: ModelRoute;
  /** The route for other accounts. */
  publicRoute: ModelRoute;
  /** Why requests to it fail; null: they don't. */
  failure: string | null;
  use: LastUse;
}

/** A model under one of its names. */
export interface CallableModel {
  name: string;
  /** The model's own full name. */
  model: string;
}

/** The meaning of a name: for each account its own deployed model, for other accounts the published one of the owner. */
interface NameBinding {
  byAccount: Map<string, DeployedModelEntry>;
  owner: DeployedModelEntry | null;
}

export interface RouteTableInput {
  /** By full name. */
  deployments: ReadonlyMap<string, DeploymentRow>;
  deployedModels: readonly DeployedModelRow[];
  /** Full names of models that the library serves. These names always mean the library's models, also when an account deploys one. */
  served: ReadonlySet<string>;
  /** By the full name of the model. */
  chatTemplates: ReadonlyMap<string, string>;
  /** By the deployed model's name; shared by successive tables. */
  lastUses: Map<string, LastUse>;
}

/** All names that requests may use for deployed models, in memory. */
export class RouteTable {
  readonly #names = new Map<string, NameBinding>();

  constructor(input: RouteTableInput) {
    const merged = mergedAddonsByDeployment(input.deployedModels);
    for (const row of input.deployedModels) {
      if (row.state === "UNDEPLOYING") continue;
      const deployment = row.serverless ? null : input.deployments.get(row.deployment);
      if (deployment === undefined) continue;
      this.#add(row, deployment, merged.get(row.deployment) ?? null, input);
    }
  }

  /**
   * The route of a request for `name`; null for a name that doesn't exist or that the principal may not use.
   * @throws AppError FAILED_PRECONDITION with the reason when the model could not be loaded.
   */
  find(principal: Principal, name: string, clock: Clock): ModelRoute | null {
    const entry = this.#entry(principal, this.#names.get(name));
    if (entry === null) return null;
    if (entry.failure !== null) throw new AppError("FAILED_PRECONDITION", entry.failure, { param: "model" });
    entry.use.usedAtMs = clock.now();
    return entry.accountId === principal.accountId ? entry.ownerRoute : entry.publicRoute;
  }

  /** The model behind a name; null as with `find`. */
  describe(principal: Principal, name: string): CallableModel | null {
    const entry = this.#entry(principal, this.#names.get(name));
    return entry === null ? null : { name: entry.ownerRoute.model, model: entry.model };
  }

  /** The deployed models that the principal may call: by the model's name where that leads to them, else with the deployment. */
  callable(principal: Principal): CallableModel[] {
    const found = new Map<LastUse, CallableModel>();
    for (const [name, binding] of this.#names) {
      const entry = this.#entry(principal, binding);
      if (entry === null || entry.failure !== null || name !== entry.ownerRoute.model) continue;
      const isBetter = !name.includes("#") || !found.has(entry.use);
      if (isBetter && !name.includes("/deployedModels/")) found.set(entry.use, { name, model: entry.model });
    }
    return [...found.values()];
  }

  #entry(principal: Principal, binding: NameBinding | undefined): DeployedModelEntry | null {
    if (binding === undefined) return null;
    const ownEntry = binding.byAccount.get(principal.accountId);
    if (ownEntry !== undefined) return ownEntry;
    const { owner } = binding;
    return owner !== null && (owner.isPublic || principal.isOperator) ? owner : null;
  }

  #add(
    row: DeployedModelRow,
    deployment: DeploymentRow | null,
    merged: DeployedModelRow | null,
    { served, chatTemplates, lastUses: uses }: RouteTableInput,
  ): void {
    const name = deployedModelName(row);
    const addon = row.isAddon ? row : merged;
    const route: Omit<ModelRoute, "model"> = {
      deployment: fleetIdOf(row),
      ...(addon === null ? {} : { lora: deployedModelName(addon) }),
      isolation: row.serverless ? "account" : "deployment",
      sessionAffinity: deployment?.spec.enableSessionAffinity ?? false,
      fallbackUsed: false,
      chatTemplate: chatTemplates.get(row.model) ?? null,
    };
    const use = uses.get(name) ?? newLastUse(row, name);
    uses.set(name, use);
    const common = {
      accountId: row.accountId,
      isPublic: row.isPublic,
      model: row.model,
      failure: row.state === "DEPLOYING" && row.statusMessage !== "" ? row.statusMessage : null,
      use,
    };
    const entry = (model: string): DeployedModelEntry => ({
      ...common,
      ownerRoute: { ...route, model },
      publicRoute: { ...route, model, isolation: "account" },
    });
    this.#put([name], entry(name), true);
    this.#put(deployedNameVariants(row.model, row.deployment), entry(`${row.model}#${row.deployment}`), true);
    if (!row.isDefault || (served.has(row.model) && !row.serverless)) return;
    const isLibrary = row.serverless && !row.isAddon;
    const isOwner = isLibrary || parseModelName(row.model)?.accountId === row.accountId;
    this.#put(modelNameVariants(row.model), entry(row.model), isOwner);
  }

  #put(names: readonly string[], entry: DeployedModelEntry, isOwner: boolean): void {
    for (const name of names) {
      const binding = this.#names.get(name) ?? { byAccount: new Map(), owner: null };
      binding.byAccount.set(entry.accountId, entry);
      if (isOwner && (binding.owner === null || entry.isPublic)) binding.owner = entry;
      this.#names.set(name, binding);
    }
  }
}

/** The merged LoRA addon of each deployment: the newest that is loaded. */
function mergedAddonsByDeployment(rows: readonly DeployedModelRow[]): Map<string, DeployedModelRow> {
  const merged = new Map<string, DeployedModelRow>();
  for (const row of rows) {
    if (!row.isMerged || row.state !== "DEPLOYED") continue;
    const other = merged.get(row.deployment);
    if (other === undefined || isNewer(row, other)) merged.set(row.deployment, row);
  }
  return merged;
}

function newLastUse(row: DeployedModelRow, name: string): LastUse {
  return {
    accountId: row.accountId,
    deployedModel: name,
    deployment: row.serverless ? null : row.deployment,
    usedAtMs: 0,
  };
}
