import type { Clock } from "../../lib/clock.ts";
import type { Blobs } from "../../platform/blobs/blobs.ts";
import type { CatalogModel } from "./catalog/schema.ts";
import type { S3Imports } from "./files/s3-imports.ts";
import type { ModelWeights } from "./files/weights.ts";
import type { ModelStore } from "./store.ts";
import type { RelatedResources } from "./types.ts";
import type { ModelViews } from "./view.ts";

/** Parts that the operations on models share. */
export interface ModelOperationDeps {
  store: ModelStore;
  clock: Clock;
  blobs: Blobs;
  weights: ModelWeights;
  views: ModelViews;
  imports: S3Imports;
  accounts: RelatedResources["accounts"];
  /** Models of the catalog by full name. */
  catalog: ReadonlyMap<string, CatalogModel>;
}
