import { basename, resolve } from "node:path";
import { holds, type ResourceCallOptions } from "../client/caller.ts";
import type { Fireworks } from "../client/client.ts";
import { ApiError, ConflictError, InvalidResponseError } from "../client/errors.ts";
import type * as types from "../generated/types.ts";
import { filesOf, isFolder, type LocalFile, localFile } from "./files.ts";
import { Sessions } from "./sessions.ts";
import { Transfer, type TransferOptions } from "./transfers.ts";
import { startSession, uploadFile } from "./upload-file.ts";

export interface UploadOptions extends TransferOptions {
  /** Default: the client's account. */
  accountId?: string | undefined;
  /**
   * Where it is kept how far large files are, so that the same call goes on there after this process has ended. Default
   * `~/.fireworks/uploads`; null keeps nothing.
   */
  stateFolder?: string | null | undefined;
}

export interface UploadModelOptions extends UploadOptions {
  modelId: string;
  /** Is called with the names of the files that the server does not take, such as a trainer's state, before anything moves. */
  onSkipped?: ((files: readonly string[]) => void) | undefined;
  /** Fields of the new model. Without `kind` it is `HF_PEFT_ADDON` when there is an `adapter_config.json`, else `HF_BASE_MODEL`. */
  model?: types.Model | undefined;
}

export interface UploadDatasetOptions extends UploadOptions {
  datasetId: string;
  /** Fields of the new dataset. */
  dataset?: types.Dataset | undefined;
}

/** What differs between kinds of things that have files. */
interface Target {
  /** Tells it apart from all others, also from one of the same name at another time. */
  key: readonly string[];
  signedUrls(filenameToSize: Record<string, string>): Promise<Readonly<Record<string, string>> | undefined>;
  /** Makes it ready for use. */
  validate(): Promise<unknown>;
  get(): Promise<{ state?: string | undefined }>;
  /** Is told of files that get no URL; null where every file must get one. */
  onSkipped: ((files: readonly string[]) => void) | null;
}

/**
 * Makes a model of the files in a folder, or of one file. A model of that id that is still being uploaded is gone on with.
 * Symbolic links are followed; names that begin with a dot are left out.
 * @throws FileError; ConflictError when there is such a model already; BadRequestError for files that are refused
 */
export async function uploadModel(
  client: Fireworks,
  path: string,
  { modelId, model = {}, onSkipped = () => {}, ...options }: UploadModelOptions,
): Promise<types.Model> {
  const files = await filesAt(path);
  const call = callOptions(options);
  const isAddon = files.some((file) => file.name === "adapter_config.json");
  const fields: types.Model = { kind: isAddon ? "HF_PEFT_ADDON" : "HF_BASE_MODEL", ...model };
  const made = await client.models.create({ modelId, model: fields }, call).catch(async (error: unknown) => {
    const found = await unfinished(error, () => client.models.get(modelId, {}, call));
    return holds(found, fields) ? found : client.models.update(modelId, fields, call);
  });
  const get = () => client.models.get(modelId, {}, call);
  await sendFiles(files, options, {
    key: [client.baseURL, made.name ?? modelId, made.createTime ?? ""],
    async signedUrls(filenameToSize) {
      const request = { filenameToSize, enableResumableUpload: true };
      return (await client.models.getUploadEndpoint(modelId, request, call)).filenameToSignedUrls;
    },
    validate: () => client.models.validateUpload(modelId, {}, call),
    get,
    onSkipped,
  });
  return get();
}

/**
 * Makes a dataset of a JSONL file, or of those in a folder. A dataset of that id that is still being uploaded is gone on with.
 * @throws FileError; ConflictError when there is such a dataset already; BadRequestError for rows that are refused
 */
export async function uploadDataset(
  client: Fireworks,
  path: string,
  options: UploadDatasetOptions,
): Promise<types.Dataset> {
  return uploadDatasetFiles(client, await filesAt(path), options);
}

/** @throws FileError also when a file is not the one any more that was found */
export async function uploadDatasetFiles(
  client: Fireworks,
  files: readonly LocalFile[],
  { datasetId, dataset = {}, ...options }: UploadDatasetOptions,
): Promise<types.Dataset> {
  const call = callOptions(options);
  const made = await client.datasets.create({ datasetId, dataset }, call).catch(async (error: unknown) => {
    const found = await unfinished(error, () => client.datasets.get(datasetId, {}, call));
    return holds(found, dataset) ? found : client.datasets.update(datasetId, dataset, call);
  });
  const get = () => client.datasets.get(datasetId, {}, call);
  await sendFiles(files, options, {
    key: [client.baseURL, made.name ?? datasetId, made.createTime ?? ""],
    async signedUrls(filenameToSize) {
      return (await client.datasets.getUploadEndpoint(datasetId, { filenameToSize }, call))
        .filenameToSignedUrls;
    },
    // The check of a large dataset outlasts the request: asked again, the server waits on.
    async validate() {
      do await client.datasets.validateUpload(datasetId, {}, call);
      while ((await get()).state === "UPLOADING");
    },
    get,
    onSkipped: null,
  });
  return get();
}

function callOptions({ accountId, signal }: UploadOptions): ResourceCallOptions {
  return { accountId, signal };
}

async function filesAt(path: string): Promise<LocalFile[]> {
  const full = resolve(path);
  return (await isFolder(full)) ? filesOf(full) : [await localFile(full, basename(full))];
}

/** @throws the error, unless it says that the thing is there and its files are still to come */
async function unfinished<Thing extends { state?: string | undefined }>(
  error: unknown,
  get: () => Promise<Thing>,
): Promise<Thing> {
  if (!(error instanceof ConflictError)) throw error;
  const found = await get();
  if (found.state !== "UPLOADING") throw error;
  return found;
}

async function sendFiles(files: readonly LocalFile[], options: UploadOptions, target: Target): Promise<void> {
  const transfer = new Transfer(options);
  const sessions = await Sessions.open(options.stateFolder, target.key);
  const urls = await signedUrls(
    files.filter((file) => sessions.get(file) === null),
    target,
  );
  const isTaken = (file: LocalFile) => urls[file.name] !== undefined || sessions.get(file) !== null;
  const taken = target.onSkipped !== null && files.some(isTaken) ? files.filter(isTaken) : files;
  const skipped = files.filter((file) => !taken.includes(file)).map(({ name }) => name);
  if (skipped.length > 0) target.onSkipped?.(skipped);
  for (const file of taken) transfer.expect(file.name, file.sizeBytes);
  await transfer.each(taken, async (file) => {
    const saved = sessions.get(file);
    if (saved !== null && (await uploadFile(file, saved, transfer, true).then(() => true, isOver))) return;
    const url = urls[file.name] ?? (await signedUrls([file], target))[file.name];
    if (url === undefined) throw new InvalidResponseError(200, `The server gave no URL for ${file.name}.`);
    const session = await startSession(file, url, transfer);
    if (session.isResumable) await sessions.set(file, session);
    await uploadFile(file, session, transfer, false);
  });
  transfer.reportValidating();
  await target.validate().catch(async (error: unknown) => {
    // Perhaps only the answer was lost.
    if (options.signal?.aborted || (await target.get().catch(() => null))?.state !== "READY") throw error;
  });
  await sessions.clear();
}

async function signedUrls(
  files: readonly LocalFile[],
  target: Target,
): Promise<Readonly<Record<string, string>>> {
  if (files.length === 0) return {};
  const sizes = files.map(({ name, sizeBytes }) => [name, String(sizeBytes)] as const);
  return (await target.signedUrls(Object.fromEntries(sizes))) ?? {};
}

/** False when a saved session has ended, and a new one is needed. @throws the error else */
function isOver(error: unknown): false {
  if (error instanceof ApiError && [403, 404, 410].includes(error.status)) return false;
  throw error;
}
