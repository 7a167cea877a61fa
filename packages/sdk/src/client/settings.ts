import { InputError } from "./errors.ts";

export interface FireworksOptions {
  /** Default: `FIREWORKS_API_KEY`. */
  apiKey?: string | undefined;
  /** Where the API is, with or without `/inference/v1`. Default: `FIREWORKS_API_BASE`, else `https://api.fireworks.ai`. */
  baseURL?: string | undefined;
  /** The account of short names. Default: `FIREWORKS_ACCOUNT_ID`, else the account of the key. */
  accountId?: string | undefined;
  /** Time limit of one attempt, at least 1; for a stream the longest time without data. Default 600,000. */
  timeoutMs?: number | undefined;
  /** Retries after the first attempt, 0 to 20. Default 3. */
  maxRetries?: number | undefined;
  /** Extra headers of every request. */
  headers?: Readonly<Record<string, string>> | undefined;
  /** Used instead of the global `fetch`. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Called with each request's method, path and outcome. Default: standard error when `FIREWORKS_SDK_DEBUG` is `true`. */
  log?: ((line: string) => void) | undefined;
}

export interface Settings {
  apiKey: string;
  /** Scheme, host and the path in front of the API's paths; no `/` at the end. */
  origin: string;
  accountId: string | null;
  timeoutMs: number;
  maxRetries: number;
  headers: Readonly<Record<string, string>>;
  fetch: typeof globalThis.fetch;
  log: ((line: string) => void) | null;
}

const DEFAULT_BASE_URL = "https://api.fireworks.ai";

/** @throws InputError naming the option; the message never contains the API key */
export function readSettings(options: FireworksOptions): Settings {
  const apiKey = (options.apiKey ?? environment("FIREWORKS_API_KEY") ?? "").trim();
  if (apiKey === "")
    throw new InputError("apiKey", "There is no API key: pass apiKey or set FIREWORKS_API_KEY.");
  if (!/^[\x21-\x7e]{1,4096}$/.test(apiKey))
    throw new InputError("apiKey", "The API key contains characters that no key has.");
  const fetch = options.fetch ?? globalThis.fetch;
  return {
    apiKey,
    origin: originOf(options.baseURL ?? environment("FIREWORKS_API_BASE") ?? DEFAULT_BASE_URL),
    accountId: accountOf(options.accountId ?? environment("FIREWORKS_ACCOUNT_ID")),
    timeoutMs: wholeNumber("timeoutMs", options.timeoutMs ?? 600_000, 1, 2 ** 31 - 1),
    maxRetries: wholeNumber("maxRetries", options.maxRetries ?? 3, 0, 20),
    headers: options.headers ?? {},
    fetch: (...args) => fetch(...args),
    log: options.log ?? (environment("FIREWORKS_SDK_DEBUG")?.toLowerCase() === "true" ? console.error : null),
  };
}

/** @throws InputError unless `value` is a whole number from `least` to `most` */
export function wholeNumber(param: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new InputError(param, `${param} must be a whole number from ${least} to ${most}.`);
}

/** An environment variable; undefined when it is unset or empty, and in browsers. */
export function environment(name: string): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return process?.env?.[name] || undefined;
}

function originOf(baseURL: string): string {
  const url = URL.canParse(baseURL) ? new URL(baseURL) : null;
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new InputError("baseURL", "baseURL must be an address such as http://localhost:8080.");
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "")
    throw new InputError("baseURL", "baseURL must be an address without user, query and fragment.");
  return url.origin + url.pathname.replace(/\/+$/, "").replace(/(\/inference)?(\/v1)?$/, "");
}

/** The id in an account's id or full name. @throws InputError */
export function accountOf(name: string | undefined): string | null {
  if (name === undefined) return null;
  const id = name.replace(/^accounts\//, "");
  if (/^[A-Za-z0-9_][A-Za-z0-9._~-]{0,126}$/.test(id)) return id;
  throw new InputError("accountId", "accountId must be an account's id or accounts/{id}.");
}
