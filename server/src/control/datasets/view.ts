import { datasetName } from "./names.ts";
import type { Dataset } from "./schema.ts";
import type { DatasetRow } from "./store.ts";

/**
 * The resource as clients see it.
 * @param email address of the user who created the dataset; empty hides it
 */
export function datasetView(row: DatasetRow, email: string): Dataset {
  return {
    name: datasetName(row),
    displayName: row.displayName,
    createTime: row.createTime.toISOString(),
    updateTime: row.updateTime.toISOString(),
    createdBy: email,
    state: row.state,
    status: { code: row.statusCode, message: row.statusMessage },
    format: row.format,
    exampleCount: String(row.exampleCount),
    estimatedTokenCount: String(row.estimatedTokenCount),
    averageTurnCount: row.averageTurnCount,
    externalUrl: "",
    sourceJobName: row.sourceJobName,
    ...row.origin,
  };
}
