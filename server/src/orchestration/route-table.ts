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

/** Where a request goes. */
export interface ModelRoute {
  /** What is billed, and named in the answer. */
  model: string;
  /** As the fleet knows it. */
  deployment: string;
  /** Absent: the model as it is. */
  lora?: string;
  /** Whose requests may reuse what was computed for each other: one account's, or all of the deployment's. */
  isolation: "account" | "deployment";
  /** Requests of one session go to one replica. */
  sessionAffinity: boolean;
  /** The model stands in for one of the library that is not served here. */
  fallbackUsed: boolean;
  /** Takes the place of the chat template in the weights' files; null: there is none. */
  chatTemplate: string | null;
}

/** When something was used last, for what goes when nobody needs it. */
export interface LastUse {
  accountId: string;
  deployedModel: string;
  /** Null: serverless. */
  deployment: string | null;
  usedAtMs: number;
}

/** One deployed model under one name. */
interface DeployedModelEntry {
  accountId: string;
  isPublic: boolean;
  /** Full name. */
  model: string;
  ownerRoute: ModelRoute;
  /** For other accounts. */
  publicRoute: ModelRoute;
  /** Why nobody can use it. */
  failure: string | null;
  use: LastUse;
}

/** A model under one of its names. */
export interface CallableModel {
  name: string;
  /** The model's own full name. */
  model: string;
}

/** What a name stands for: for each account its own, for others what the owner has published. */
interface NameBinding {
  byAccount: Map<string, DeployedModelEntry>;
  owner: DeployedModelEntry | null;
}

export interface RouteTableInput {
  /** By full name. */
  deployments: ReadonlyMap<string, DeploymentRow>;
  deployedModels: readonly DeployedModelRow[];
  /** Full names that the library serves: these names mean the library's models, whoever deploys them too. */
  served: ReadonlySet<string>;
  /** Of models that bring one, by full name. */
  chatTemplates: ReadonlyMap<string, string>;
  /** By the deployed model's name; kept from table to table. */
  lastUses: Map<string, LastUse>;
}

/** Everything that requests may name, in memory. */
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
   * Where a request for `name` goes; null for what nobody has, or the principal may not use.
   * @throws AppError FAILED_PRECONDITION with the reason, for what could not be loaded.
   */
  find(principal: Principal, name: string, clock: Clock): ModelRoute | null {
    const entry = this.#entry(principal, this.#names.get(name));
    if (entry === null) return null;
    if (entry.failure !== null) throw new AppError("FAILED_PRECONDITION", entry.failure, { param: "model" });
    entry.use.usedAtMs = clock.now();
    return entry.accountId === principal.accountId ? entry.ownerRoute : entry.publicRoute;
  }

  /** What a name stands for; null as `find` has it. */
  describe(principal: Principal, name: string): CallableModel | null {
    const entry = this.#entry(principal, this.#names.get(name));
    return entry === null ? null : { name: entry.ownerRoute.model, model: entry.model };
  }

  /** What the principal may call of what is deployed: by the model's own name where that leads there, else with the deployment. */
  callable(principal: Principal): CallableModel[] {
    const found = new Map<LastUse, CallableModel>();
    for (const [name, named] of this.#names) {
      const entry = this.#entry(principal, named);
      if (entry === null || entry.failure !== null || name !== entry.ownerRoute.model) continue;
      const isBetter = !name.includes("#") || !found.has(entry.use);
      if (isBetter && !name.includes("/deployedModels/")) found.set(entry.use, { name, model: entry.model });
    }
    return [...found.values()];
  }

  #entry(principal: Principal, named: NameBinding | undefined): DeployedModelEntry | null {
    if (named === undefined) return null;
    const own = named.byAccount.get(principal.accountId);
    if (own !== undefined) return own;
    return named.owner !== null && (named.owner.isPublic || principal.isOperator) ? named.owner : null;
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
      const named = this.#names.get(name) ?? { byAccount: new Map(), owner: null };
      named.byAccount.set(entry.accountId, entry);
      if (isOwner && (named.owner === null || entry.isPublic)) named.owner = entry;
      this.#names.set(name, named);
    }
  }
}

/** By deployment: the addon that is part of its weights, as soon as it works. */
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
