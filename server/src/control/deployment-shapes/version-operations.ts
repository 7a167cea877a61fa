import { mergePatch, updatePaths } from "../../lib/field-mask.ts";
import { authorize, canSee, notFound, type Principal } from "../accounts/service.ts";
import { checkShape, type ShapeModels, toShapeFields } from "./fields.ts";
import { shapeName } from "./names.ts";
import { VersionBody } from "./schema.ts";
import type { ShapeStore } from "./store.ts";
import type { DeploymentShapes } from "./types.ts";
import type { VersionRow } from "./version-store.ts";
import { toVersion } from "./view.ts";

/** In the place of a parent's id: any parent. */
const ANY = "-";

export function versionOperations(deps: {
  store: ShapeStore;
  models: ShapeModels;
}): Pick<DeploymentShapes, "getVersion" | "listVersions" | "updateVersion"> {
  const { store, models } = deps;

  async function find(
    principal: Principal,
    accountId: string,
    id: string,
    version: string,
  ): Promise<VersionRow> {
    const row = /^\d{1,9}$/.test(version) ? await store.getVersion(accountId, id, Number(version)) : null;
    if (row !== null && canSee(principal, accountId, row.public && row.validated)) return row;
    throw notFound(titleOf(accountId, id, version));
  }

  return {
    getVersion: async (...of) => toVersion(await find(...of)),
    async listVersions(principal, accountId, id, query) {
      const parent = {
        accountId: accountId === ANY ? null : accountId,
        shapeId: id === ANY ? null : id,
      };
      if (parent.accountId !== null && parent.shapeId !== null) {
        const shape = await store.get(accountId, id);
        if (shape === null || !canSee(principal, accountId, shape.publicSpec !== null)) {
          throw notFound(`Deployment shape ${shapeName(accountId, id)}`);
        }
      }
      const readerId = principal.isOperator ? null : principal.accountId;
      const { rows, ...page } = await store.listVersions(query, parent, readerId);
      return { deploymentShapeVersions: rows.map(toVersion), ...page };
    },
    async updateVersion(principal, accountId, id, version, body, updateMask) {
      const title = titleOf(accountId, id, version);
      authorize(principal, accountId, "write", title);
      const row = await find(principal, accountId, id, version);
      const shape = await store.get(accountId, id);
      authorize(principal, accountId, "write", title, shape?.createdBy ?? null);
      const paths = updatePaths(updateMask, body, VersionBody);
      const { validated = false, public: isPublic = false } = mergePatch<VersionBody>(
        { validated: row.validated, public: row.public },
        body,
        paths,
      );
      if (validated && !row.validated) await checkShape(models, principal, toShapeFields(row.spec));
      const marks = { validated, public: isPublic };
      if (!(await store.setFlags(accountId, id, row.version, marks))) throw notFound(title);
      return toVersion(await find(principal, accountId, id, version));
    },
  };
}

function titleOf(accountId: string, id: string, version: string): string {
  return `Deployment shape version ${shapeName(accountId, id)}/versions/${version}`;
}
