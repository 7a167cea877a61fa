import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FlagValues } from "../args/flags.ts";
import { UsageError } from "../errors.ts";
import type { ProcessContext } from "../process-context.ts";
import { firectl, tempFolder } from "../testing.ts";
import { readIni, withValues } from "./ini.ts";
import { ProfileFile } from "./profiles.ts";
import { readSettings } from "./settings.ts";

const FILE = `# mine
[fireworks]
api_key = "fw_default" ; quoted
account_id = acme
api_base = http://127.0.0.1:8080

[office]
api_key = fw_office
api_base = https://hearth.example.com
account_id = office-team
`;

function homeWith(text: string | null): string {
  const home = tempFolder();
  if (text !== null) {
    mkdirSync(join(home, ".fireworks"));
    writeFileSync(join(home, ".fireworks/auth.ini"), text);
  }
  return home;
}

async function settings(
  text: string | null,
  env: Record<string, string>,
  flags: Record<string, string> = {},
) {
  const processContext = { env, home: homeWith(text) } as unknown as ProcessContext;
  const found = await readSettings(processContext, new Map(Object.entries(flags)) as FlagValues);
  return {
    host: found.host.value,
    key: found.apiKey?.value ?? null,
    account: found.accountId?.value ?? null,
  };
}

describe("settings", () => {
  const LOCAL = "http://127.0.0.1:8080";

  test.each([
    ["nothing is set", null, {}, {}, { host: LOCAL, key: null, account: null }],
    ["the default profile", FILE, {}, {}, { host: LOCAL, key: "fw_default", account: "acme" }],
    [
      "a named profile",
      FILE,
      {},
      { profile: "office" },
      { host: "https://hearth.example.com", key: "fw_office", account: "office-team" },
    ],
    [
      "the environment before the default profile",
      FILE,
      { FIREWORKS_API_KEY: "fw_env" },
      {},
      { host: LOCAL, key: "fw_env", account: null },
    ],
    [
      "a named profile before the environment",
      FILE,
      { FIREWORKS_API_KEY: "fw_env", FIREWORKS_API_BASE: "http://env" },
      { profile: "office" },
      { host: "https://hearth.example.com", key: "fw_office", account: "office-team" },
    ],
    [
      "flags before all",
      FILE,
      { FIREWORKS_API_KEY: "fw_env" },
      { "api-key": "fw_flag", account: "accounts/flag", "api-base": "http://flag" },
      { host: "http://flag", key: "fw_flag", account: "flag" },
    ],
    [
      "the account of the environment",
      null,
      { FIREWORKS_API_KEY: "k", FIREWORKS_ACCOUNT_ID: "env-team" },
      {},
      { host: LOCAL, key: "k", account: "env-team" },
    ],
    [
      "a file of the reference's other tools",
      "api_key = fw_bare\naccount_id = bare\n",
      { FIREWORKS_API_BASE: "http://any" },
      {},
      { host: "http://any", key: "fw_bare", account: "bare" },
    ],
  ])("%s", async (_, text, env, flags, expected) => {
    expect(await settings(text, env as Record<string, string>, flags as Record<string, string>)).toEqual(
      expected,
    );
  });

  test("use a stored key and its account only for the host they were stored for", async () => {
    const found = await settings(FILE, {}, { "api-base": "https://other.example.com" });
    expect(found).toEqual({ host: "https://other.example.com", key: null, account: null });
  });

  test("use a stored key for its host in every spelling of the address", async () => {
    expect((await settings(FILE, { FIREWORKS_API_BASE: "http://127.0.0.1:8080/inference/v1" })).key).toBe(
      "fw_default",
    );
  });

  test("ignore the profile's account when another key is used", async () => {
    expect((await settings(FILE, {}, { "api-key": "fw_other" })).account).toBeNull();
  });

  test.each([["a b"], ["fireworks"], ["../x"], ["[x]"]])("refuse the profile name %s", async (profile) => {
    await expect(settings(FILE, {}, { profile })).rejects.toThrow(UsageError);
  });

  test("refuse a missing profile and say how to create it", async () => {
    await expect(settings(FILE, {}, { profile: "nowhere" })).rejects.toThrow(/no profile nowhere/);
  });

  test("refuse a malformed account and name its source", async () => {
    await expect(settings(null, { FIREWORKS_ACCOUNT_ID: "a/b" })).rejects.toThrow(/FIREWORKS_ACCOUNT_ID/);
  });
});

describe("the file of profiles", () => {
  test("becomes readable only for its owner, even if everybody could read it before", async () => {
    const home = homeWith(FILE);
    const file = new ProfileFile(home);
    expect(statSync(file.path).mode & 0o777).toBe(0o644);
    await file.write("office", { apiKey: "fw_new", apiBase: "https://new", accountId: null });
    expect(statSync(file.path).mode & 0o777).toBe(0o600);
    expect(await file.read("office")).toEqual({ apiKey: "fw_new", apiBase: "https://new", accountId: null });
  });

  test("keeps its other contents, and no temporary file stays beside it", async () => {
    const home = homeWith(`${FILE}id_token = other\n[later]\nx = 1\n`);
    const file = new ProfileFile(home);
    await file.write("office", { apiKey: "fw_new", apiBase: null, accountId: null });
    const text = readFileSync(file.path, "utf8");
    expect(text).toContain("# mine");
    expect(text).toContain("id_token = other");
    expect(readIni(text).get("later")?.get("x")).toBe("1");
    expect(await file.read("default")).toMatchObject({ apiKey: "fw_default" });
    expect(readdirSync(join(home, ".fireworks"))).toEqual(["auth.ini"]);
  });

  test("is named in the error when a folder is in its place", async () => {
    const home = tempFolder();
    mkdirSync(join(home, ".fireworks/auth.ini"), { recursive: true });
    const { code, stderr } = await firectl("whoami", { home });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `Error: ${home}/.fireworks/auth.ini can't be used (EISDIR).\nName a file.\n`,
    });
  });

  test("is created together with its folder", async () => {
    const file = new ProfileFile(homeWith(null));
    await file.write("default", { apiKey: "fw_first", apiBase: "http://h", accountId: "acme" });
    expect(readIni(readFileSync(file.path, "utf8")).get("fireworks")?.get("api_key")).toBe("fw_first");
    expect(statSync(join(file.path, "..")).mode & 0o777).toBe(0o700);
  });

  test("returns the written values whatever it contained before", () => {
    const line = fc.constantFrom("[a]", "[b]", "", "x = 1", "x=2", "# c", "y = z", "nonsense", "[", "=", "x");
    const value = fc.stringMatching(/^[A-Za-z0-9_:/.-]{1,20}$/);
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 12 }),
        fc.constantFrom("a", "b", "c"),
        value,
        (lines, section, x) => {
          const before = lines.join("\n");
          const after = withValues(before, section, { x, y: null });
          expect(readIni(after).get(section)?.get("x")).toBe(x);
          expect(readIni(after).get(section)?.has("y")).toBe(false);
          for (const other of ["", "a", "b"].filter((name) => name !== section)) {
            expect(readIni(after).get(other)).toEqual(readIni(before).get(other));
          }
        },
      ),
    );
  });
});
