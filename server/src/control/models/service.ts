export { CatalogError } from "./catalog.ts";
export type { AttachedModel, CatalogModel, CatalogWeights, ModelEntry, ModelKind } from "./catalog-schema.ts";
export {
  createModelService,
  type ModelService,
  type ModelServiceOptions,
  type ResolvedModel,
} from "./resolver.ts";
