import { AppError, badRequest } from "../../../lib/errors.ts";
import { applyMask, parseMask } from "../../../lib/field-mask.ts";
import { canSee, notFound } from "../../accounts/service.ts";
import { getVisibleModel, getWritableModel } from "../access.ts";
import { modelTitle } from "../names.ts";
import type { ModelOperationDeps } from "../operation-deps.ts";
import { type DownloadEndpoint, type GetUploadEndpointRequest, UploadEndpoint } from "../schema.ts";
import type { ModelRow } from "../store.ts";
import type { ModelRequest } from "../types.ts";
import { filePrefix, storedFiles, uploadKey, withFiles } from "./declared-files.ts";

/** How long a signed URL accepts an upload. */
const UPLOAD_URL_MS = 24 * 3_600_000;
/** How long a signed URL serves a file. */
const DOWNLOAD_URL_MS = 3_600_000;

/**
 * Declares files with their sizes, in bytes, and returns URLs that accept them. A file of the same name is replaced.
 */
export async function uploadEndpoint(
  deps: ModelOperationDeps,
  request: ModelRequest & { body: GetUploadEndpointRequest; origin: string },
): Promise<object> {
  const { model, body, origin } = request;
  const mask = parseMask("readMask", body.readMask ?? "", UploadEndpoint);
  await getWritableModel(deps, request);
  const declared = Object.entries(body.filenameToSize).map(([name, sizeBytes]) => [name, Number(sizeBytes)]);
  if (declared.length === 0) throw badRequest("filenameToSize", "filenameToSize names no file.");
  // A file that is ignored gets no URL.
  const sizes = storedFiles("filenameToSize", Object.fromEntries(declared));
  const row = await deps.store.change(model, (current) => {
    requireUploading(current);
    const files = withFiles("filenameToSize", current.files, sizes);
    return { ...current, files, updateTime: new Date(deps.clock.now()) };
  });
  if (row === null) throw notFound(modelTitle(model));
  const resumable = body.enableResumableUpload ?? false;
  const urls = await Promise.all(
    Object.entries(sizes).map(async ([name, sizeBytes]) => {
      const options = { sizeBytes, expiresInMs: UPLOAD_URL_MS, resumable, origin };
      return [name, await deps.blobs.uploadUrl(uploadKey(row, name), options)] as const;
    }),
  );
  const response: UploadEndpoint = {
    filenameToSignedUrls: Object.fromEntries(urls),
    // Always empty: the store is reachable by signed URLs only.
    filenameToUnsignedUris: {},
  };
  return mask === null ? response : applyMask(mask, response);
}

/**
 * URLs that serve a model's checked files. Only principals of the model's account get them, even for a public model.
 */
export async function downloadEndpoint(
  deps: ModelOperationDeps,
  request: ModelRequest & { origin: string },
): Promise<DownloadEndpoint> {
  const { principal, model, origin } = request;
  const row = await getVisibleModel(deps, request);
  if (!canSee(principal, model.accountId, false)) {
    throw new AppError(
      "FORBIDDEN",
      "Anyone can use a public model, but only its own account can download its files.",
    );
  }
  if (row.facts === null || Object.keys(row.files).length === 0) {
    throw new AppError("FAILED_PRECONDITION", `${modelTitle(model)} has no checked files here.`);
  }
  const urls = await Promise.all(
    Object.keys(row.files).map(async (path) => {
      const filename = path.slice(path.lastIndexOf("/") + 1);
      const options = { expiresInMs: DOWNLOAD_URL_MS, origin, filename };
      return [path, await deps.blobs.downloadUrl(filePrefix(row) + path, options)] as const;
    }),
  );
  return { filenameToSignedUrls: Object.fromEntries(urls) };
}

/** @throws AppError FAILED_PRECONDITION once the model's files have been checked. */
export function requireUploading(row: ModelRow): void {
  if (row.state === "UPLOADING") return;
  throw new AppError(
    "FAILED_PRECONDITION",
    `${modelTitle(row)} is ${row.state}: its files don't change any more.`,
  );
}
