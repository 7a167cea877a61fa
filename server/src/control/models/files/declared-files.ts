import { badRequest } from "../../../lib/errors.ts";
import { sanitizeForMessage } from "../../../lib/field-names.ts";
import type { ModelRow } from "../store.ts";

export const MAX_FILES = 1_000;
const MAX_FILE_BYTES = 500e9;
const MAX_MODEL_BYTES = 2e12;

/**
 * Files are stored under the uid, not the id, so that a new model never sees the files of a deleted one with the same
 * id.
 */
type BlobOwner = Pick<ModelRow, "accountId" | "uid">;

export function blobPrefix({ accountId, uid }: BlobOwner): string {
  return `models/${accountId}/${uid}/`;
}

/** Key that a signed URL uploads to. */
export function uploadKey(owner: BlobOwner, name: string): string {
  return `${blobPrefix(owner)}uploads/${name}`;
}

/** Prefix of the files that are checked and used. No signed URL writes there. */
export function filePrefix(owner: BlobOwner): string {
  return `${blobPrefix(owner)}files/`;
}

const PART = /^[A-Za-z0-9._+=@-]{1,100}$/;
const MAX_DEPTH = 4;
const PICKLE = /\.(bin|pt|pth|pkl|pickle|ckpt|joblib|dill)$/i;
const ARCHIVE = /\.(zip|tar|tgz|gz|bz2|xz|zst|7z|rar|whl|npz)$/i;
const OTHER_WEIGHTS = /\.(h5|msgpack|ot|onnx|onnx_data|tflite|mlmodel)$/i;
/** Folders that trainers and model hubs put beside a model: logs, earlier states, the weights in another format. */
const OTHER_FOLDER = /^(runs|wandb|original|checkpoint-\d+|global_step\d+)\//;

/**
 * Checks that a path stays in the model's folder.
 * @throws AppError BAD_REQUEST naming `field`.
 */
export function checkFileName(field: string, name: string): void {
  const fail = (why: string): never => {
    throw badRequest(field, `${field}: ${sanitizeForMessage(name) || "an empty name"} ${why}`);
  };
  const parts = name.split("/");
  if (/^[/\\]|^[A-Za-z]:|\\/.test(name) || parts.some((part) => part === ".." || part === ".")) {
    fail("leads out of the model's folder.");
  }
  if (parts.includes("")) fail("is no file name.");
}

/**
 * Why a file that trainers write beside a model is neither stored nor read; null for a file that is. Pickles can run
 * code when they are read, and no model needs any of the others.
 */
export function ignoredBecause(name: string): string | null {
  const parts = name.split("/");
  if (PICKLE.test(name)) return "is a pickle, which can run code when it is read";
  if (ARCHIVE.test(name)) return "is an archive";
  if (OTHER_WEIGHTS.test(name)) return "has weights of another framework";
  if (OTHER_FOLDER.test(name)) return "is in a folder of a trainer's logs or earlier states";
  if (parts.length > MAX_DEPTH || !parts.every((part) => PART.test(part))) {
    return `has a name other than letters, digits and ._+=@-, with at most ${MAX_DEPTH} parts`;
  }
  return null;
}

/**
 * The files that are stored, without those that are ignored.
 * @throws AppError BAD_REQUEST naming `field` for a path out of the folder, or when all files are ignored.
 */
export function storedFiles(field: string, files: Readonly<Record<string, number>>): Record<string, number> {
  const names = Object.keys(files);
  for (const name of names) checkFileName(field, name);
  const stored = names.filter((name) => ignoredBecause(name) === null);
  const [first] = names;
  if (stored.length === 0 && first !== undefined) {
    const why = `${sanitizeForMessage(first)} ${ignoredBecause(first)}`;
    throw badRequest(field, `${field}: no file can be used: ${why}. Save the weights as safetensors.`);
  }
  return Object.fromEntries(stored.map((name) => [name, files[name] as number]));
}

/**
 * The declared files and the added ones, which are stored, as sizes in bytes by name.
 * @throws AppError BAD_REQUEST naming `field` when there are too many files, when they are too large, or when two names
 * clash.
 */
export function withFiles(
  field: string,
  files: Readonly<Record<string, number>>,
  added: Readonly<Record<string, number>>,
): Record<string, number> {
  for (const [name, sizeBytes] of Object.entries(added)) {
    if (sizeBytes > MAX_FILE_BYTES)
      throw badRequest(
        field,
        `${field}: ${sanitizeForMessage(name)} is larger than ${MAX_FILE_BYTES} bytes.`,
      );
  }
  const all = { ...files, ...added };
  const names = Object.keys(all);
  if (names.length > MAX_FILES) throw badRequest(field, `${field}: a model has at most ${MAX_FILES} files.`);
  const totalBytes = Object.values(all).reduce((sum, sizeBytes) => sum + sizeBytes, 0);
  if (totalBytes > MAX_MODEL_BYTES)
    throw badRequest(field, `${field}: a model has at most ${MAX_MODEL_BYTES} bytes.`);
  refuseClashes(field, names);
  return all;
}

/**
 * Refuses names that are the same on a case-insensitive file system, and a file with the name of another one's folder.
 */
function refuseClashes(field: string, names: readonly string[]): void {
  const byLowerCase = new Map<string, string>();
  for (const name of names) {
    const other = byLowerCase.get(name.toLowerCase());
    if (other !== undefined)
      throw badRequest(
        field,
        `${field}: ${sanitizeForMessage(name)} and ${sanitizeForMessage(other)} differ in case alone.`,
      );
    byLowerCase.set(name.toLowerCase(), name);
  }
  for (const name of names) {
    for (let at = name.indexOf("/"); at !== -1; at = name.indexOf("/", at + 1)) {
      const folder = byLowerCase.get(name.slice(0, at).toLowerCase());
      if (folder !== undefined)
        throw badRequest(field, `${field}: ${sanitizeForMessage(folder)} can't be a file and a folder.`);
    }
  }
}
