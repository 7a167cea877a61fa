import { basename, resolve } from "node:path";
import type { Fireworks } from "../client/client.ts";
import { ApiError, ConflictError, InvalidResponseError } from "../client/errors.ts";
import { containsFields, type ResourceCallOptions } from "../client/operation-client.ts";
import type * as types from "../generated/types.ts";
import { filesOf, isFolder, type LocalFile, localFile } from "./files.ts";
import { Transfer, type TransferOptions } from "./transfer.ts";
import { startSession, uploadFile } from "./upload-file.ts";
import { UploadSessions } from "./upload-sessions.ts";

export interface UploadOptions extends TransferOptions {
  /** Default: the client's account. */
  accountId?: string | undefined;
  /**
   * The folder for sessions of unfinished large files, with which the same call in another process resumes them. Default
   * `~/.fireworks/uploads`; null keeps no sessions.
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

/** The operations of a model or dataset that files are uploaded to. */
interface Target {
  /** Identifies the resource, and tells it apart from an earlier one of the same name. */
  key: readonly string[];
  signedUrls(filenameToSize: Record<string, string>): Promise<Readonly<Record<string, string>> | undefined>;
  /** Has the host check the files and make the resource ready for use. */
  validate(): Promise<unknown>;
  get(): Promise<{ state?: string | undefined }>;
  /** Is told of files that get no URL; null where every file must get one. */
  onSkipped: ((files: readonly string[]) => void) | null;
}

/**
 * Creates a model from the files in a folder, or from one file. Resumes a model of that id whose upload is unfinished.
 * Follows symbolic links; skips names that begin with a dot.
 * @throws FileError; ConflictError when the model exists already; BadRequestError for files that the host refuses
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
    return containsFields(found, fields) ? found : client.models.update(modelId, fields, call);
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
 * Creates a dataset from a JSONL file, or from the files in a folder. Resumes a dataset of that id whose upload is unfinished.
 * @throws FileError; ConflictError when the dataset exists already; BadRequestError for rows that the host refuses
 */
export async function uploadDataset(
  client: Fireworks,
  path: string,
  options: UploadDatasetOptions,
): Promise<types.Dataset> {
  return uploadDatasetFiles(client, await filesAt(path), options);
}

/** @throws FileError, also when a file has changed since it was found */
export async function uploadDatasetFiles(
  client: Fireworks,
  files: readonly LocalFile[],
  { datasetId, dataset = {}, ...options }: UploadDatasetOptions,
): Promise<types.Dataset> {
  const call = callOptions(options);
  const made = await client.datasets.create({ datasetId, dataset }, call).catch(async (error: unknown) => {
    const found = await unfinished(error, () => client.datasets.get(datasetId, {}, call));
    return containsFields(found, dataset) ? found : client.datasets.update(datasetId, dataset, call);
  });
  const get = () => client.datasets.get(datasetId, {}, call);
  await sendFiles(files, options, {
    key: [client.baseURL, made.name ?? datasetId, made.createTime ?? ""],
    async signedUrls(filenameToSize) {
      return (await client.datasets.getUploadEndpoint(datasetId, { filenameToSize }, call))
        .filenameToSignedUrls;
    },
    // Validating a large dataset can outlast one request, so repeat it until the dataset has left UPLOADING.
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

/** Returns the existing resource if `error` is a conflict with one whose upload is unfinished. @throws `error` otherwise */
async function unfinished<Existing extends { state?: string | undefined }>(
  error: unknown,
  get: () => Promise<Existing>,
): Promise<Existing> {
  if (!(error instanceof ConflictError)) throw error;
  const found = await get();
  if (found.state !== "UPLOADING") throw error;
  return found;
}

async function sendFiles(files: readonly LocalFile[], options: UploadOptions, target: Target): Promise<void> {
  const transfer = new Transfer(options);
  const sessions = await UploadSessions.open(options.stateFolder, target.key);
  const urls = await signedUrls(
    files.filter((file) => sessions.get(file) === null),
    target,
  );
  const isTaken = (file: LocalFile) => urls[file.name] !== undefined || sessions.get(file) !== null;
  const taken = target.onSkipped !== null && files.some(isTaken) ? files.filter(isTaken) : files;
  const skipped = files.filter((file) => !taken.includes(file)).map(({ name }) => name);
  if (skipped.length > 0) target.onSkipped?.(skipped);
  for (const file of taken) transfer.setSize(file.name, file.sizeBytes);
  await transfer.each(taken, async (file) => {
    const saved = sessions.get(file);
    if (saved !== null && (await uploadFile(file, saved, transfer, true).then(() => true, falseIfExpired)))
      return;
    const url = urls[file.name] ?? (await signedUrls([file], target))[file.name];
    if (url === undefined) throw new InvalidResponseError(200, `The server gave no URL for ${file.name}.`);
    const session = await startSession(file, url, transfer);
    if (session.isResumable) await sessions.set(file, session);
    await uploadFile(file, session, transfer, false);
  });
  transfer.reportValidating();
  await target.validate().catch(async (error: unknown) => {
    // If only the response was lost, the resource is READY and the upload is complete.
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

/** Returns false when a saved session has expired, so that a new one is needed. @throws any other error */
function falseIfExpired(error: unknown): false {
  if (error instanceof ApiError && [403, 404, 410].includes(error.status)) return false;
  throw error;
}
