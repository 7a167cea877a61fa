import { type FlagValues, quoted } from "../args/flags.ts";
import { UsageError } from "../errors.ts";
import type { ProcessContext } from "../process-context.ts";
import { checkProfileName, DEFAULT_PROFILE, type Profile, ProfileFile } from "./profiles.ts";

/** Hearth's default address. */
export const DEFAULT_HOST = "http://127.0.0.1:8080";

/** A setting and its source, such as `--api-key` or a profile, for messages. */
export interface Sourced {
  value: string;
  from: string;
}

export interface Settings {
  profile: string;
  host: Sourced;
  apiKey: Sourced | null;
  accountId: Sourced | null;
}

const EMPTY_PROFILE: Profile = { apiKey: null, apiBase: null, accountId: null };

/**
 * Reads settings by precedence: flags, the profile named by `--profile`, the environment, the default profile, defaults. A
 * stored key is used only for the host that it was stored for.
 * @param isNew whether the profile may be missing because the command creates it
 * @throws UsageError
 */
export async function readSettings(
  processContext: ProcessContext,
  flags: FlagValues,
  { isNew = false }: { isNew?: boolean } = {},
): Promise<Settings> {
  const profileFlag = flags.get("profile");
  const name = checkProfileName((profileFlag as string | undefined) ?? DEFAULT_PROFILE);
  const file = new ProfileFile(processContext.home);
  const profile =
    (await file.read(name)) ??
    (isNew || profileFlag === undefined ? EMPTY_PROFILE : noProfile(name, file.path));
  const stored = (key: keyof Profile): Sourced | null =>
    sourced(profile[key], `profile ${name} in ${file.path}`);
  const pick = (flag: string, variable: string, key: keyof Profile): Sourced | null => {
    const environment = sourced(processContext.env[variable], variable);
    const others = profileFlag === undefined ? [environment, stored(key)] : [stored(key), environment];
    return sourced(flags.get(flag), `--${flag}`) ?? others[0] ?? others[1] ?? null;
  };
  const host = pick("api-base", "FIREWORKS_API_BASE", "apiBase") ?? {
    value: DEFAULT_HOST,
    from: "the default",
  };
  checkHost(host);
  const apiKey = pick("api-key", "FIREWORKS_API_KEY", "apiKey");
  const isStored = apiKey !== null && apiKey.from === stored("apiKey")?.from;
  const isForOtherHost = isStored && differsFrom(profile.apiBase, host.value);
  const accountId = pick("account", "FIREWORKS_ACCOUNT_ID", "accountId");
  // A profile's account belongs to the profile's key: ignore it when another key is used.
  const isUnrelated = accountId?.from === stored("accountId")?.from && (!isStored || isForOtherHost);
  return {
    profile: name,
    host,
    apiKey: isForOtherHost ? null : apiKey,
    accountId: accountId === null || isUnrelated ? null : checkAccount(accountId),
  };
}

function noProfile(name: string, path: string): never {
  throw new UsageError(
    `There is no profile ${name} in ${path}.`,
    `Create it with "firectl signin --profile ${name} --api-base https://…".`,
  );
}

function checkHost({ value, from }: Sourced): void {
  if (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)) return;
  throw new UsageError(`The address of ${from} must be like http://127.0.0.1:8080, not ${quoted(value)}.`);
}

function checkAccount(account: Sourced): Sourced {
  const value = account.value.replace(/^accounts\//, "");
  if (/^[A-Za-z0-9_][\w.~-]{0,126}$/.test(value)) return { ...account, value };
  throw new UsageError(
    `The account of ${account.from} must be an id such as my-team or accounts/my-team.`,
    'Run "firectl whoami" to see which account is used.',
  );
}

function differsFrom(apiBase: string | null, host: string): boolean {
  return apiBase !== null && originOf(apiBase) !== originOf(host);
}

function originOf(address: string): string {
  return URL.canParse(address) ? new URL(address).origin : address;
}

function sourced(value: unknown, from: string): Sourced | null {
  return typeof value === "string" && value.trim() !== "" ? { value: value.trim(), from } : null;
}
