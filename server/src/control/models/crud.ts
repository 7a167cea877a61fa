import { AppError, badRequest } from "../../lib/errors.ts";
import { checkNewId } from "../../lib/resource-ids.ts";
import { fullModelName } from "../../lib/resource-names.ts";
import type { ListQuery } from "../../platform/db/listing.ts";
import { authorize, canSee, notFound, type Principal, visibility } from "../accounts/service.ts";
import {
  getVisibleModel,
  getVisibleModelByName,
  getWritableModel,
  type ModelsDeps,
  newRow,
} from "./access.ts";
import { applyPatch, type ModelFields, parseFields } from "./fields.ts";
import { blobPrefix } from "./files/declared-files.ts";
import { modelTitle } from "./names.ts";
import type { CreateModelRequest, DeployedModelRef, Model, ModelBody } from "./schema.ts";
import type { ModelRow } from "./store.ts";
import { isBaseModel, modelView } from "./view.ts";

/** What models need of other resources. */
export interface RelatedResources {
  accounts: { exists(accountId: string): Promise<boolean> };
  users: { emailsOf(accountId: string, userIds: readonly string[]): Promise<ReadonlyMap<string, string>> };
}

/** What refers to models and is created after them. */
export interface ModelReferences {
  /** Where a model is deployed, as far as the principal may see it. */
  modelRefs(principal: Principal, name: string): Promise<readonly DeployedModelRef[]>;
  /** A public sentence why a model can't be deleted, null when it can. */
  inUse(name: string): Promise<string | null>;
}

/** Models as clients list and change them. */
export class ModelCrud {
  readonly #deps: ModelsDeps;
  readonly #related: RelatedResources;
  #references: ModelReferences | null = null;

  constructor(context: ModelsDeps, neighbours: RelatedResources) {
    this.#deps = context;
    this.#related = neighbours;
  }

  /** Without references no model is deployed or in use. @throws Error when some are registered already. */
  registerReferences(references: ModelReferences): void {
    if (this.#references !== null) throw new Error("The references to models are registered already.");
    this.#references = references;
  }

  async create(principal: Principal, accountId: string, request: CreateModelRequest): Promise<Model> {
    await this.requireAccount(principal, accountId);
    if (request.cluster) throw badRequest("cluster", "cluster: there are no clusters of your own here.");
    checkNewId("modelId", request.modelId);
    const given = await this.#resolveModelNames(
      principal,
      parseFields(request.model ?? {}, "model."),
      "model.",
    );
    const row = newRow(this.#deps, principal, accountId, request.modelId, given);
    if (!(await this.#deps.store.insert(row))) throw alreadyExists(accountId, request.modelId);
    return this.view(principal, row);
  }

  async get(principal: Principal, accountId: string, id: string): Promise<Model> {
    return this.view(principal, await getVisibleModel(this.#deps, principal, accountId, id));
  }

  async list(
    principal: Principal,
    accountId: string,
    query: ListQuery,
  ): Promise<{ models: Model[]; nextPageToken: string; totalSize: number }> {
    const show = visibility(principal, accountId);
    const { rows, nextPageToken, totalSize } = await this.#deps.store.list(query, accountId, show);
    const emails = await this.#emails(principal, accountId, rows);
    const models = rows.map((row) => modelView(row, emails.get(row.createdBy) ?? "", []));
    return { models, nextPageToken, totalSize };
  }

  async update(
    principal: Principal,
    accountId: string,
    id: string,
    body: ModelBody,
    updateMask: string | undefined,
  ): Promise<Model> {
    const seen = await getWritableModel(this.#deps, principal, accountId, id);
    const wish = (row: ModelRow): ModelFields => applyPatch(row, modelView(row, "", []), body, updateMask);
    await this.#resolveModelNames(principal, wish(seen), "");
    const row = await this.#deps.store.change(accountId, id, (current) => ({
      ...current,
      ...wish(current),
      updateTime: new Date(this.#deps.clock.now()),
    }));
    if (row === null) throw notFound(modelTitle(accountId, id));
    return this.view(principal, row);
  }

  async delete(principal: Principal, accountId: string, id: string): Promise<void> {
    const { store, blobs, weights } = this.#deps;
    const title = modelTitle(accountId, id);
    const seen = await getWritableModel(this.#deps, principal, accountId, id);
    const row = await store.delete(accountId, id, async (current) => {
      if (current.uid !== seen.uid) throw notFound(title);
      if (current.catalogDigest !== null) {
        throw new AppError(
          "FAILED_PRECONDITION",
          `${title} comes with the platform; it can be hidden: set public to false.`,
        );
      }
      const use = await this.#references?.inUse(fullModelName({ accountId, modelId: id }));
      if (use) throw new AppError("FAILED_PRECONDITION", use);
    });
    if (row === null) throw notFound(title);
    // What can't be removed now is removed with what comes later.
    await blobs.deletePrefix(blobPrefix(row)).catch(() => {});
    await weights.remove(row.uid).catch(() => {});
  }

  /** @throws AppError NOT_FOUND, FORBIDDEN unless the principal may make models in the account, and it exists. */
  async requireAccount(principal: Principal, accountId: string): Promise<void> {
    const account = `Account accounts/${accountId}`;
    authorize(principal, accountId, "write", account);
    if (!(await this.#related.accounts.exists(accountId))) throw notFound(account);
  }

  /** One model as the principal sees it. */
  async view(principal: Principal, row: ModelRow): Promise<Model> {
    const name = fullModelName({ accountId: row.accountId, modelId: row.id });
    const [emails, refs] = await Promise.all([
      this.#emails(principal, row.accountId, [row]),
      this.#references?.modelRefs(principal, name) ?? [],
    ]);
    return modelView(row, emails.get(row.createdBy) ?? "", refs);
  }

  /** People's addresses are their account's business. */
  async #emails(
    principal: Principal,
    accountId: string,
    rows: readonly ModelRow[],
  ): Promise<ReadonlyMap<string, string>> {
    const ids = [...new Set(rows.map(({ createdBy }) => createdBy))].filter((id) => id !== "");
    if (ids.length === 0 || !canSee(principal, accountId, false)) return new Map();
    return this.#related.users.emailsOf(accountId, ids);
  }

  /** The models that a body names, by their full names. @throws AppError NOT_FOUND, BAD_REQUEST naming the field. */
  async #resolveModelNames(principal: Principal, given: ModelFields, at: string): Promise<ModelFields> {
    const spec = { ...given.spec };
    const find = async (field: string, name: string): Promise<string> => {
      const row = await getVisibleModelByName(this.#deps, principal, name);
      if (!isBaseModel(row)) throw badRequest(at + field, `${at}${field} must be a base model.`);
      return fullModelName({ accountId: row.accountId, modelId: row.id });
    };
    if (spec.peftDetails?.baseModel) {
      const baseModel = await find("peftDetails.baseModel", spec.peftDetails.baseModel);
      spec.peftDetails = { ...spec.peftDetails, baseModel };
    }
    if (spec.defaultDraftModel)
      spec.defaultDraftModel = await find("defaultDraftModel", spec.defaultDraftModel);
    return { ...given, spec };
  }
}

export function alreadyExists(accountId: string, id: string): AppError {
  return new AppError("ALREADY_EXISTS", `${modelTitle(accountId, id)} already exists.`, { param: "modelId" });
}
