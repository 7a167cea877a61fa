import { AppError, badRequest, toAppError } from "../../../lib/errors.ts";
import { applyMask, parseMask } from "../../../lib/field-mask.ts";
import { Singleflight } from "../../../lib/singleflight.ts";
import { canSee, type Principal } from "../../accounts/service.ts";
import { failureStatus, getVisibleModel, getWritableModel, type ModelsDeps, STATUS_OK } from "../access.ts";
import { modelTitle } from "../names.ts";
import {
  type DownloadEndpoint,
  type GetUploadEndpointRequest,
  UploadEndpoint,
  type ValidateUploadQuery,
} from "../schema.ts";
import type { ModelRow } from "../store.ts";
import { blobPrefix, filePrefix, uploadKey, withFiles } from "./declared-files.ts";
import { checkFiles, sealFiles } from "./validation.ts";

/** How long a URL takes an upload, and how long it gives a file. */
export const UPLOAD_URL_MS = 24 * 3_600_000;
const DOWNLOAD_URL_MS = 3_600_000;

/** URLs that take files of these sizes, in place of declared ones of the same names. */
export async function uploadEndpoint(
  context: ModelsDeps,
  principal: Principal,
  accountId: string,
  id: string,
  request: GetUploadEndpointRequest,
  origin: string,
): Promise<object> {
  const mask = parseMask("readMask", request.readMask ?? "", UploadEndpoint);
  await getWritableModel(context, principal, accountId, id);
  const sizes = Object.fromEntries(
    Object.entries(request.filenameToSize).map(([name, sizeBytes]) => [name, Number(sizeBytes)]),
  );
  if (Object.keys(sizes).length === 0) throw badRequest("filenameToSize", "filenameToSize names no file.");
  const row = await context.store.change(accountId, id, (current) => {
    requireUploading(current);
    const files = withFiles("filenameToSize", current.files, sizes);
    return { ...current, files, updateTime: new Date(context.clock.now()) };
  });
  if (row === null) throw modelNotFound(accountId, id);
  const resumable = request.enableResumableUpload ?? false;
  const urls = await Promise.all(
    Object.entries(sizes).map(async ([name, sizeBytes]) => {
      const options = { sizeBytes, expiresInMs: UPLOAD_URL_MS, resumable, origin };
      return [name, await context.blobs.uploadUrl(uploadKey(row, name), options)] as const;
    }),
  );
  const answer: UploadEndpoint = {
    filenameToSignedUrls: Object.fromEntries(urls),
    // What lies in the store is reached by signed URLs alone.
    filenameToUnsignedUris: {},
  };
  return mask === null ? answer : applyMask(mask, answer);
}

/** URLs that give the files, to the account that owns them. */
export async function downloadEndpoint(
  context: ModelsDeps,
  principal: Principal,
  accountId: string,
  id: string,
  origin: string,
): Promise<DownloadEndpoint> {
  const row = await getVisibleModel(context, principal, accountId, id);
  if (!canSee(principal, accountId, false)) {
    throw new AppError("FORBIDDEN", "A public model can be used by everybody; its files are its account's.");
  }
  if (row.facts === null || Object.keys(row.files).length === 0) {
    throw new AppError("FAILED_PRECONDITION", `${modelTitle(accountId, id)} has no checked files here.`);
  }
  const urls = await Promise.all(
    Object.keys(row.files).map(async (filename) => {
      const options = {
        expiresInMs: DOWNLOAD_URL_MS,
        origin,
        filename: filename.slice(filename.lastIndexOf("/") + 1),
      };
      return [filename, await context.blobs.downloadUrl(filePrefix(row) + filename, options)] as const;
    }),
  );
  return { filenameToSignedUrls: Object.fromEntries(urls) };
}

/** Checks uploads, each model's once at a time: who asks meanwhile gets the same answer. */
export class UploadValidator {
  readonly #deps: ModelsDeps;
  readonly #running = new Singleflight<string[]>();
  readonly #closing = new AbortController();

  constructor(context: ModelsDeps) {
    this.#deps = context;
  }

  /** Makes the model READY, and gives warnings. */
  async validate(
    principal: Principal,
    accountId: string,
    id: string,
    { skipHfConfigValidation, trustRemoteCode, configOnly }: ValidateUploadQuery,
  ): Promise<string[]> {
    const refuse = (param: string, why: string): never => {
      throw badRequest(param, `${param}: ${why}`);
    };
    if (skipHfConfigValidation)
      refuse("skipHfConfigValidation", "a model runs by its configuration; it is checked.");
    if (trustRemoteCode) refuse("trustRemoteCode", "code in an upload is never run.");
    if (configOnly)
      refuse("configOnly", "all files are checked; use validateModelConfig for a configuration alone.");
    const row = await getWritableModel(this.#deps, principal, accountId, id);
    if (row.state !== "UPLOADING") return [];
    return this.check(row);
  }

  /** @throws AppError with what is wrong, which the resource then says as well. */
  check(row: ModelRow): Promise<string[]> {
    return this.#running.run(row.uid, this.#closing.signal, (signal) => this.#check(row, signal));
  }

  /** Ends checks that are running; their models stay as they are. */
  close(): void {
    this.#closing.abort(new AppError("UNAVAILABLE", "The server is shutting down."));
  }

  async #check(seen: ModelRow, signal: AbortSignal): Promise<string[]> {
    const { blobs, weights } = this.#deps;
    try {
      await sealFiles(blobs, seen);
      const { warnings, ...found } = await checkFiles(weights, seen, signal);
      await this.#change(seen, (row) => {
        if (row.revision === seen.revision) return { ...found, ...STATUS_OK, state: "READY" };
        throw new AppError(
          "ABORTED",
          `${modelTitle(row.accountId, row.id)} changed while it was checked; try again.`,
        );
      });
      // What was uploaded beside the declared files is nobody's.
      await blobs.deletePrefix(`${blobPrefix(seen)}uploads/`);
      return warnings;
    } catch (error) {
      signal.throwIfAborted();
      const refusal = toAppError(error);
      if (refusal.code === "BAD_REQUEST") await this.#change(seen, () => failureStatus(refusal));
      throw refusal;
    }
  }

  async #change(seen: ModelRow, change: (row: ModelRow) => Partial<ModelRow>): Promise<void> {
    const { store, clock } = this.#deps;
    const changed = await store.change(seen.accountId, seen.id, (row) => {
      if (row.uid !== seen.uid) throw modelNotFound(row.accountId, row.id);
      return { ...row, ...change(row), updateTime: new Date(clock.now()) };
    });
    if (changed === null) throw modelNotFound(seen.accountId, seen.id);
  }
}

export function requireUploading(row: ModelRow): void {
  if (row.state === "UPLOADING") return;
  const title = modelTitle(row.accountId, row.id);
  throw new AppError("FAILED_PRECONDITION", `${title} is ${row.state}: its files don't change any more.`);
}

function modelNotFound(accountId: string, id: string): AppError {
  return new AppError("NOT_FOUND", `${modelTitle(accountId, id)} not found.`);
}
