import {
  ApiError,
  AuthenticationError,
  ConflictError,
  ConnectionError,
  InputError,
  InvalidResponseError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  TimeoutError,
  UnavailableError,
} from "@hearth/sdk";
import { FileError } from "@hearth/sdk/node";
import type { CommandSpec } from "./commands/command-spec.ts";
import type { Settings } from "./config/settings.ts";
import { CliError, EXIT } from "./errors.ts";

/** The text and exit code for an error. */
export interface Explanation {
  message: string;
  next?: string | undefined;
  exitCode: number;
}

/** Hearth's message for paths that the API doesn't have. */
const UNKNOWN_PATH = "No such path.";
/** The status of operations of the API that Hearth doesn't have yet. */
const NOT_BUILT = 501;

/**
 * Turns an error into a message and a next step for the user.
 * @param settings the command's settings; null when it failed before it read them
 * @param command null when the command line names no command
 */
export function explainError(
  error: unknown,
  settings: Settings | null,
  command: CommandSpec | null,
): Explanation {
  const failed = (message: string, next?: string): Explanation => ({ message, next, exitCode: EXIT.failed });
  if (error instanceof CliError) return error;
  if (error instanceof InputError) {
    const next = error.param === "accountId" ? "Set the account with --account." : undefined;
    return { message: error.message, next, exitCode: EXIT.usage };
  }
  const isUnknownPath = error instanceof NotFoundError && error.message === UNKNOWN_PATH;
  if (isUnknownPath || (error instanceof ApiError && error.status === NOT_BUILT)) {
    return failed(`${settings?.host.value ?? "The host"} doesn't offer this.`, "A newer version of it may.");
  }
  if (error instanceof ApiError) return failed(messageOf(error), nextAfter(error, settings, command));
  if (error instanceof InvalidResponseError || error instanceof ConnectionError) {
    return failed(error.message, nextAfterNoResponse(error, settings));
  }
  if (error instanceof FileError) return failed(error.message, nextAfterFile(error));
  const { code, path } = error as NodeJS.ErrnoException;
  if (code !== undefined && path !== undefined)
    return failed(`${path} can't be used (${code}).`, AFTER_FILE_ERRORS[code]);
  return failed(error instanceof Error ? error.message : String(error));
}

/** The next step for each error code of the file system. */
const AFTER_FILE_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: "Check the path.",
  EACCES: "Check who may read and write it.",
  EPERM: "Check who may read and write it.",
  EISDIR: "Name a file.",
  ENOTDIR: "Check the path.",
  EEXIST: "Choose another path.",
  ELOOP: "Fix the symbolic links.",
  ENOSPC: "Free some disk space and run the same command again.",
  EDQUOT: "Free some disk space and run the same command again.",
  EROFS: "Choose another path.",
};

/** Node decodes arguments as UTF-8, so a replacement character means that the name wasn't UTF-8. */
function nextAfterFile({ path, code }: FileError): string | undefined {
  if (code === "ENOENT" && path.includes("\ufffd"))
    return "The file's name seems not to be UTF-8: rename it.";
  return AFTER_FILE_ERRORS[code ?? ""];
}

function messageOf(error: ApiError): string {
  const request = error.requestId === null || error.status < 500 ? "" : ` (request ${error.requestId})`;
  const text = /[.!?]$/.test(error.message) ? error.message : `${error.message}.`;
  return `${text}${request}`;
}

function nextAfter(
  error: ApiError,
  settings: Settings | null,
  command: CommandSpec | null,
): string | undefined {
  const key = settings?.apiKey;
  if (error instanceof AuthenticationError) {
    const used = key == null ? "" : `The key is from ${key.from}. `;
    return `${used}Sign in again with "firectl signin", or give another key with --api-key.`;
  }
  if (error instanceof PermissionDeniedError)
    return 'Ask an admin of the account. "firectl whoami" shows who you are.';
  if (error instanceof NotFoundError) {
    const account = settings?.accountId?.value;
    const where =
      account === undefined
        ? ""
        : ` Commands work in accounts/${account}; choose another account with --account.`;
    return `Check the name: "firectl list ${kindIn(error.message)}" shows what there is.${where}`;
  }
  if (error instanceof ConflictError) return "Choose another id, or delete the existing one.";
  const flag = flagOf(command, error.param);
  if (flag !== undefined) return `It is set by --${flag}.`;
  if (error instanceof RateLimitError || error instanceof UnavailableError) return "Try again in a moment.";
  return undefined;
}

/** The noun for `firectl list` of the resource in a message: `deployed-models` for `accounts/a/deployedModels/x`. */
function kindIn(message: string): string {
  const [, collection] = /\baccounts\/[\w.~-]+\/([A-Za-z]+)\//.exec(message) ?? [];
  return collection?.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`) ?? "…";
}

/** The name of the flag that sets the field named in an API error; undefined if no flag sets it. */
export function flagOf(command: CommandSpec | null, param: string | null): string | undefined {
  const matches = (field: string): boolean => param === field || param?.endsWith(`.${field}`) === true;
  return command?.flags.find(({ field }) => field !== undefined && matches(field))?.name;
}

function nextAfterNoResponse(error: Error, settings: Settings | null): string {
  const host = settings === null ? "" : `The address is from ${settings.host.from}. `;
  if (error instanceof TimeoutError) return `${host}The host may be busy: try again.`;
  return `${host}Is it running there? Set another address with --api-base or FIREWORKS_API_BASE.`;
}
