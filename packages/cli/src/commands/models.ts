import { stat } from "node:fs/promises";
import { ConflictError, idOf, type types } from "@hearth/sdk";
import { CliError, UsageError } from "../errors.ts";
import { transfer, uploadState } from "../transfers/transfer.ts";
import type { Run } from "./command.ts";
import type { Context } from "./context.ts";
import { optionsOf, requestFields } from "./crud.ts";
import { checkNewId, readName } from "./names.ts";
import { MODEL_LIFECYCLE } from "./resources/lifecycles.ts";
import { waitFor } from "./wait.ts";

export const createModel: Run = async (context) => {
  const [id = "", path = ""] = context.args;
  const modelId = checkNewId("model", id);
  const source = readS3Address(path);
  if (source === null) refuseS3Flags(context);
  const model = await modelFields(context);
  if (source !== null) return importFromS3(context, modelId, model, source);
  await checkFiles(path);
  const client = await context.client();
  const { uploadModel } = await import("@hearth/sdk/node");
  const stateFolder = await uploadState(context);
  const skipped: string[] = [];
  const onSkipped = (files: readonly string[]) => void skipped.push(...files);
  const created = await transfer(context, "Uploading", (options) =>
    uploadModel(client, path, { ...options, modelId, model, stateFolder, onSkipped }),
  );
  if (skipped.length > 0) {
    await context.out.notice(`Left out, as a model does not need them: ${formatNames(skipped)}.`);
  }
  await context.out.resource({ ...created });
};

const MAX_LISTED = 10;

function formatNames(files: readonly string[]): string {
  const more = files.length > MAX_LISTED ? ` and ${files.length - MAX_LISTED} more` : "";
  return `${files.slice(0, MAX_LISTED).join(", ")}${more}`;
}

/** @throws CliError for a single file that isn't GGUF: other formats need a folder of files */
async function checkFiles(path: string): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found?.isFile() && !path.endsWith(".gguf")) {
    throw new CliError(
      `${path} is a file, where a folder of a model's files belongs.`,
      "Give the path of the folder.",
    );
  }
}

/** A model with a base model is a LoRA addon. Otherwise the upload derives the kind from the files. */
async function modelFields(context: Context): Promise<types.Model> {
  const fields = (await requestFields(context)) as types.Model;
  return fields.peftDetails === undefined ? fields : { kind: "HF_PEFT_ADDON", ...fields };
}

/** Parses `s3://bucket/path`; null for a local path. @throws UsageError without a bucket */
function readS3Address(path: string): { s3Bucket: string; s3Path: string } | null {
  if (!path.startsWith("s3://")) return null;
  const [, s3Bucket = "", s3Path = ""] = /^s3:\/\/([^/]*)\/?(.*)$/.exec(path) ?? [];
  if (s3Bucket !== "") return { s3Bucket, s3Path };
  throw new UsageError(`An address in S3 looks like s3://my-bucket/path/to/model/.`);
}

function refuseS3Flags({ flags }: Context): void {
  const flag = ["aws-access-key-id", "aws-secret-access-key"].find((name) => flags.has(name));
  if (flag !== undefined)
    throw new UsageError(`--${flag} is for models in S3: the path must be like s3://my-bucket/path/.`);
}

async function importFromS3(
  context: Context,
  modelId: string,
  model: types.Model,
  source: { s3Bucket: string; s3Path: string },
): Promise<void> {
  const client = await context.client();
  const [accessKeyId, accessSecret] = [
    context.text("aws-access-key-id"),
    context.text("aws-secret-access-key"),
  ];
  const isOneMissing = (accessKeyId === undefined) !== (accessSecret === undefined);
  if (isOneMissing)
    throw new UsageError("--aws-access-key-id and --aws-secret-access-key go together: set both or neither.");
  const fields: types.Model = { kind: "HF_BASE_MODEL", ...model };
  await client.models.create({ modelId, model: fields }, optionsOf(context)).catch(async (error: unknown) => {
    if (!(error instanceof ConflictError)) throw error;
    // A model that is still UPLOADING is one whose import failed: import it again.
    const found = await client.models.get(modelId, {}, optionsOf(context));
    if (found.state !== "UPLOADING") throw error;
  });
  await client.models.import(
    modelId,
    { awsS3Source: { ...source, accessKeyId, accessSecret } },
    optionsOf(context),
  );
  await printModel(context, modelId);
}

/** Copies a model. `sourceModel` is an extension of Hearth, so it is sent only if the source is not the library model of that id. */
export const importModel: Run = async (context) => {
  const [source = ""] = context.args;
  const name = readName("model", "models", source);
  const modelId = checkNewId("model", context.text("model-id") ?? idOf(name));
  const isSameId = modelId === idOf(name) && !isOutsideLibrary(name);
  const sourceModel = name.startsWith("accounts/") ? name : `accounts/fireworks/models/${name}`;
  const client = await context.client();
  await client.models.import(modelId, isSameId ? {} : ({ sourceModel } as object), optionsOf(context));
  await printModel(context, modelId);
};

function isOutsideLibrary(name: string): boolean {
  return name.startsWith("accounts/") && !name.startsWith("accounts/fireworks/");
}

export const prepareModel: Run = async (context) => {
  const name = readName("model", "models", context.args[0] as string);
  const request = (await requestFields(context)) as types.PrepareModelRequest;
  const client = await context.client();
  await client.models.prepare(name, request, optionsOf(context));
  const model = await printModel(context, name);
  const precision = request.precision ?? "FP8";
  if (context.flags.get("wait") === true && model.precisions?.includes(precision) === false) {
    throw new CliError(
      `${name} was not prepared for ${precision}: ${model.status?.message || "the host doesn't say why."}`,
    );
  }
};

export const downloadModel: Run = async (context) => {
  const [source = "", folder = ""] = context.args;
  const name = readName("model", "models", source);
  const existing = await stat(folder).catch(() => null);
  if (existing?.isDirectory() === false) {
    throw new CliError(`${folder} is a file, where a folder belongs.`, "Choose another path.");
  }
  const client = await context.client();
  const { downloadModel: download } = await import("@hearth/sdk/node");
  const paths = await transfer(context, "Downloading", (options) => download(client, name, folder, options));
  if (context.out.format === "json") await context.out.resource({ files: paths });
  else await context.out.raw(paths.map((path) => `${path}\n`).join(""));
};

/** Prints a model; with `--wait`, once it is in a final state. */
async function printModel(context: Context, name: string): Promise<types.Model> {
  const client = await context.client();
  const get = async (): Promise<types.Model & Record<string, unknown>> => ({
    ...(await client.models.get(name, {}, optionsOf(context))),
  });
  const model =
    context.flags.get("wait") === true ? await waitFor(context, MODEL_LIFECYCLE, name, get) : await get();
  await context.out.resource(model);
  return model;
}
