import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { mergePatch, updatePaths } from "../../lib/field-mask.ts";
import { checkNewId, randomId } from "../../lib/resource-ids.ts";
import { type Accounts, authorize, notFound, type Principal, visibility } from "../accounts/service.ts";
import { checkShape, findModel, notValidated, type ShapeModels, toShapeFields } from "./fields.ts";
import { shapeName } from "./names.ts";
import { ShapeBody, type ShapeSpec } from "./schema.ts";
import type { ShapeRow, ShapeStore } from "./store.ts";
import type { DeploymentShapes } from "./types.ts";
import { toShape } from "./view.ts";

/** Attempts of an update, which starts over when another one has changed the shape (optimistic concurrency). */
const MAX_ATTEMPTS = 5;

export function shapeOperations(deps: {
  store: ShapeStore;
  accounts: Pick<Accounts, "exists">;
  models: ShapeModels;
  clock: Clock;
}): Pick<DeploymentShapes, "create" | "get" | "list" | "update" | "delete"> {
  const { store, models, clock } = deps;

  /** Finds a shape that the principal may change. @throws AppError NOT_FOUND, FORBIDDEN. */
  async function findWritable(principal: Principal, accountId: string, id: string): Promise<ShapeRow> {
    const title = `Deployment shape ${shapeName(accountId, id)}`;
    authorize(principal, accountId, "write", title);
    const row = await store.get(accountId, id);
    if (row === null) throw notFound(title);
    authorize(principal, accountId, "write", title, row.createdBy);
    return row;
  }

  return {
    async create(principal, accountId, id = randomId(), body) {
      const account = `Account accounts/${accountId}`;
      authorize(principal, accountId, "write", account);
      if (!(await deps.accounts.exists(accountId))) throw notFound(account);
      checkNewId("deploymentShapeId", id);
      const spec = await checkShape(models, principal, body);
      const now = new Date(clock.now());
      const row = {
        accountId,
        id,
        spec,
        createdBy: principal.userId,
        catalogDigest: null,
        createTime: now,
        updateTime: now,
      };
      if (await store.insertIfAbsent(row, false)) return toShape(row, spec);
      throw new AppError("ALREADY_EXISTS", `Deployment shape ${shapeName(accountId, id)} already exists.`, {
        param: "deploymentShapeId",
      });
    },
    async get(principal, accountId, id, skipValidation) {
      const title = `Deployment shape ${shapeName(accountId, id)}`;
      const row = await store.get(accountId, id);
      const spec = row === null ? null : visible(principal, row);
      if (row === null || spec === null) throw notFound(title);
      if (spec === row.spec && !skipValidation) {
        const newest = await store.getVersion(accountId, id, row.version);
        if (newest?.validated === false) throw notValidated(title);
      }
      return toShape(row, spec);
    },
    async list(principal, accountId, { targetModel, ...query }) {
      const view = visibility(principal, accountId);
      const target = targetModel ? await targetOf(models, principal, targetModel) : null;
      const { rows, ...page } = await store.list(query, accountId, view, target);
      const shown = rows.flatMap((row) => {
        const spec = visible(principal, row);
        return spec === null ? [] : [toShape(row, spec)];
      });
      return { deploymentShapes: shown, ...page };
    },
    async update(principal, accountId, id, body, { updateMask, fromLatestValidated = false }) {
      const paths = updatePaths(updateMask, body, ShapeBody);
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        const row = await findWritable(principal, accountId, id);
        const base = fromLatestValidated ? await latestValidated(store, row) : row.spec;
        const spec = await checkShape(models, principal, mergePatch(toShapeFields(base), body, paths));
        const now = new Date(clock.now());
        if (await store.addVersion(row, { spec, isPublic: false, catalogDigest: null, now })) {
          return toShape({ ...row, updateTime: now }, spec);
        }
      }
      throw new AppError("ABORTED", "The shape is being changed by others; try again.");
    },
    async delete(principal, accountId, id) {
      await findWritable(principal, accountId, id);
      await store.delete(accountId, id);
    },
  };
}

/** The spec that the principal may see; null: none. */
function visible(principal: Principal, row: ShapeRow): ShapeSpec | null {
  return visibility(principal, row.accountId) === "all" ? row.spec : row.publicSpec;
}

async function latestValidated(store: ShapeStore, { accountId, id }: ShapeRow): Promise<ShapeSpec> {
  const version = await store.latestValidated(accountId, id, "all");
  if (version !== null) return version.spec;
  throw new AppError("FAILED_PRECONDITION", "The shape has no validated version.", {
    param: "fromLatestValidated",
  });
}

/** The shapes to list for a model: for a LoRA addon, the shapes of its base model that take addons. */
async function targetOf(
  models: ShapeModels,
  principal: Principal,
  name: string,
): Promise<{ baseModel: string; takesAddons: boolean }> {
  const model = await findModel(models, principal, "targetModel", name);
  return model.baseModel === null
    ? { baseModel: name, takesAddons: false }
    : { baseModel: model.baseModel, takesAddons: true };
}
