import { notFound, type Principal, visibility } from "../accounts/service.ts";
import { notValidated } from "./fields.ts";
import { parseShapeName, versionName } from "./names.ts";
import { PRESET_FIELDS, type ShapePreset } from "./schema.ts";
import type { ShapeStore } from "./store.ts";
import type { VersionRow } from "./version-store.ts";

/** See `DeploymentShapes.resolve`. */
export async function resolveShape(
  store: ShapeStore,
  principal: Principal,
  name: string,
  skipValidation: boolean,
): Promise<{ version: string; preset: ShapePreset }> {
  const { accountId, id, version } = parseShapeName("deploymentShape", name);
  const title = `Deployment shape ${name}`;
  const view = visibility(principal, accountId);
  const shape = await store.get(accountId, id);
  if (shape === null || (view === "public" && shape.publicSpec === null)) throw notFound(title);
  const row = await pick();
  if (row === null) throw version === null ? notValidated(title) : notFound(title);
  if (view === "public" && !(row.public && row.validated)) throw notFound(title);
  if (!row.validated && !skipValidation) throw notValidated(title);
  const preset = PRESET_FIELDS.flatMap((field) =>
    row.spec[field] === undefined ? [] : [[field, row.spec[field]]],
  );
  return { version: versionName(accountId, id, row.version), preset: Object.fromEntries(preset) };

  function pick(): Promise<VersionRow | null> {
    if (version !== null) return store.getVersion(accountId, id, version);
    if (skipValidation && view === "all") return store.getVersion(accountId, id, shape!.version);
    return store.latestValidated(accountId, id, view);
  }
}
