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
import type { Command } from "./commands/command.ts";
import type { Settings } from "./config/settings.ts";
import { CliError, EXIT } from "./errors.ts";

/** What a person is told of an error. */
export interface Explanation {
  message: string;
  next?: string | undefined;
  exitCode: number;
}

/** What Hearth says of paths that the API doesn't have. */
const NO_ROUTE = "No such path.";
/** The status of operations of the API that Hearth doesn't have yet. */
const NOT_BUILT = 501;

/**
 * @param settings what the command worked with; null when it didn't come that far
 * @param command null: it is not known
 */
export function explain(error: unknown, settings: Settings | null, command: Command | null): Explanation {
  const failed = (message: string, next?: string): Explanation => ({ message, next, exitCode: EXIT.failed });
  if (error instanceof CliError) return error;
  if (error instanceof InputError) {
    const next = error.param === "accountId" ? "Say the account with --account." : undefined;
    return { message: error.message, next, exitCode: EXIT.usage };
  }
  const isUnknownPath = error instanceof NotFoundError && error.message === NO_ROUTE;
  if (isUnknownPath || (error instanceof ApiError && error.status === NOT_BUILT)) {
    return failed(`${settings?.host.value ?? "The host"} doesn't offer this.`, "A newer version of it may.");
  }
  if (error instanceof ApiError) return failed(said(error), nextAfter(error, settings, command));
  if (error instanceof InvalidResponseError || error instanceof ConnectionError) {
    return failed(error.message, nextAfterSilence(error, settings));
  }
  if (error instanceof FileError) return failed(error.message, nextAfterFile(error));
  const { code, path } = error as NodeJS.ErrnoException;
  if (code !== undefined && path !== undefined)
    return failed(`${path} can't be used (${code}).`, AFTER_FILE_ERRORS[code]);
  return failed(error instanceof Error ? error.message : String(error));
}

/** What helps, by the system's names of what is wrong with a file. */
const AFTER_FILE_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: "Check the path.",
  EACCES: "Check who may read and write it.",
  EPERM: "Check who may read and write it.",
  EISDIR: "Name a file.",
  ENOTDIR: "Check the path.",
  EEXIST: "Choose another place.",
  ELOOP: "Mend the links.",
  ENOSPC: "Make room and run the same command again.",
  EDQUOT: "Make room and run the same command again.",
  EROFS: "Choose another place.",
};

/** Arguments come decoded: of what is not UTF-8, replacement characters are left. */
function nextAfterFile({ path, code }: FileError): string | undefined {
  if (code === "ENOENT" && path.includes("\ufffd")) return "Its name seems not to be UTF-8: rename it.";
  return AFTER_FILE_ERRORS[code ?? ""];
}

function said(error: ApiError): string {
  const request = error.requestId === null || error.status < 500 ? "" : ` (request ${error.requestId})`;
  const text = /[.!?]$/.test(error.message) ? error.message : `${error.message}.`;
  return `${text}${request}`;
}

function nextAfter(error: ApiError, settings: Settings | null, command: Command | null): string | undefined {
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
        : ` Commands work in accounts/${account}; another one is named by --account.`;
    return `Check the name: "firectl list ${kindIn(error.message)}" shows what there is.${where}`;
  }
  if (error instanceof ConflictError) return "Choose another id, or delete what is there.";
  const flag = flagOf(command, error.param);
  if (flag !== undefined) return `It is set by --${flag}.`;
  if (error instanceof RateLimitError || error instanceof UnavailableError) return "Try again in a moment.";
  return undefined;
}

/** As `firectl list` calls what a message names: `deployed-models` of `accounts/a/deployedModels/x`. */
function kindIn(message: string): string {
  const [, collection] = /\baccounts\/[\w.~-]+\/([A-Za-z]+)\//.exec(message) ?? [];
  return collection?.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`) ?? "…";
}

/** The flag that sets the field that the API complains about. */
export function flagOf(command: Command | null, param: string | null): string | undefined {
  const isIt = (field: string): boolean => param === field || param?.endsWith(`.${field}`) === true;
  return command?.flags.find(({ field }) => field !== undefined && isIt(field))?.name;
}

function nextAfterSilence(error: Error, settings: Settings | null): string {
  const host = settings === null ? "" : `The address is from ${settings.host.from}. `;
  if (error instanceof TimeoutError) return `${host}Try again; the host may be busy.`;
  return `${host}Is it running there? Set another address with --api-base or FIREWORKS_API_BASE.`;
}
