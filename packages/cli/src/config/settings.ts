import { type FlagValues, quoted } from "../args/flags.ts";
import { UsageError } from "../errors.ts";
import type { ProcessContext } from "../process-context.ts";
import { checkProfileName, DEFAULT_PROFILE, type Profile, ProfileFile } from "./profiles.ts";

/** Where Hearth listens unless told otherwise. */
export const DEFAULT_HOST = "http://127.0.0.1:8080";

/** A setting with where it comes from, in words for people. */
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

const NOTHING: Profile = { apiKey: null, apiBase: null, accountId: null };

/**
 * By precedence: flags, the profile that `--profile` names, the environment, the default profile, defaults. A stored key
 * goes to the host it was stored for and to no other.
 * @param isNew whether the profile may be one that is not there yet
 * @throws UsageError
 */
export async function readSettings(
  processContext: ProcessContext,
  flags: FlagValues,
  { isNew = false }: { isNew?: boolean } = {},
): Promise<Settings> {
  const given = flags.get("profile");
  const name = checkProfileName((given as string | undefined) ?? DEFAULT_PROFILE);
  const file = new ProfileFile(processContext.home);
  const profile =
    (await file.read(name)) ?? (isNew || given === undefined ? NOTHING : noProfile(name, file.path));
  const stored = (key: keyof Profile): Sourced | null =>
    sourced(profile[key], `profile ${name} in ${file.path}`);
  const pick = (flag: string, variable: string, key: keyof Profile): Sourced | null => {
    const environment = sourced(processContext.env[variable], variable);
    const others = given === undefined ? [environment, stored(key)] : [stored(key), environment];
    return sourced(flags.get(flag), `--${flag}`) ?? others[0] ?? others[1] ?? null;
  };
  const host = pick("api-base", "FIREWORKS_API_BASE", "apiBase") ?? {
    value: DEFAULT_HOST,
    from: "the default",
  };
  checkHost(host);
  const apiKey = pick("api-key", "FIREWORKS_API_KEY", "apiKey");
  const isStored = apiKey !== null && apiKey.from === stored("apiKey")?.from;
  const isOthers = isStored && isForOther(profile.apiBase, host.value);
  const accountId = pick("account", "FIREWORKS_ACCOUNT_ID", "accountId");
  // The account of a profile goes with its key.
  const isForeign = accountId?.from === stored("accountId")?.from && (!isStored || isOthers);
  return {
    profile: name,
    host,
    apiKey: isOthers ? null : apiKey,
    accountId: accountId === null || isForeign ? null : checkAccount(accountId),
  };
}

function noProfile(name: string, path: string): never {
  throw new UsageError(
    `There is no profile ${name} in ${path}.`,
    `Make it with "firectl signin --profile ${name} --api-base https://…".`,
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

function isForOther(apiBase: string | null, host: string): boolean {
  return apiBase !== null && originOf(apiBase) !== originOf(host);
}

function originOf(address: string): string {
  return URL.canParse(address) ? new URL(address).origin : address;
}

function sourced(value: unknown, from: string): Sourced | null {
  return typeof value === "string" && value.trim() !== "" ? { value: value.trim(), from } : null;
}
