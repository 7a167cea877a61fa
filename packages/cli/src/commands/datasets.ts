import { stat } from "node:fs/promises";
import { CliError } from "../errors.ts";
import { transfer, uploadState } from "../transfers/transfer.ts";
import type { Run } from "./command.ts";
import { requestFields } from "./crud.ts";
import { checkNewId } from "./names.ts";

export const createDataset: Run = async (context) => {
  const [id = "", path = ""] = context.args;
  const datasetId = checkNewId("dataset", id);
  const found = await stat(path).catch(() => null);
  if (found?.isDirectory()) {
    throw new CliError(`${path} is a folder, where a JSONL file belongs.`, "Give the path of the file.");
  }
  const dataset = await requestFields(context);
  const client = await context.client();
  const { uploadDataset } = await import("@hearth/sdk/node");
  const stateFolder = await uploadState(context);
  const created = await transfer(context, "Uploading", (options) =>
    uploadDataset(client, path, { ...options, datasetId, dataset, stateFolder }),
  );
  await context.out.resource({ ...created });
};
