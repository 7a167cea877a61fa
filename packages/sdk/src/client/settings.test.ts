import { afterEach, expect, test, vi } from "vitest";
import { InputError } from "./errors.ts";
import { type FireworksOptions, readSettings } from "./settings.ts";

afterEach(() => vi.unstubAllEnvs());

function refusalOf(options: FireworksOptions): InputError {
  try {
    readSettings(options);
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  throw new Error("not refused");
}

test.each([
  ["http://localhost:8080", "http://localhost:8080"],
  ["http://localhost:8080/", "http://localhost:8080"],
  ["http://localhost:8080/inference/v1", "http://localhost:8080"],
  ["http://localhost:8080/inference/v1/", "http://localhost:8080"],
  ["http://localhost:8080/v1", "http://localhost:8080"],
  ["https://host/prefix/inference", "https://host/prefix"],
  ["https://host/prefix/v1/", "https://host/prefix"],
])("the base URL %s gives the origin %s", (baseURL, origin) => {
  expect(readSettings({ apiKey: "k", baseURL }).origin).toBe(origin);
});

test.each(["", "localhost:9090", "ftp://h", "http://u:p@h", "http://h?key=1", "http://h#x"])(
  "%j is no base URL, and is not repeated",
  (baseURL) => {
    const error = refusalOf({ apiKey: "k", baseURL });
    expect(error.param).toBe("baseURL");
    if (baseURL !== "") expect(error.message).not.toContain(baseURL);
  },
);

test.each(["", "  ", "fw_a\nb", "fw_ä", `fw_${"x".repeat(5_000)}`])(
  "%j is no key, and is not repeated",
  (apiKey) => {
    vi.stubEnv("FIREWORKS_API_KEY", "");
    const error = refusalOf({ apiKey });
    expect(error.param).toBe("apiKey");
    expect(error.message).not.toContain("fw_");
  },
);

test("settings without an option come from the environment", () => {
  vi.stubEnv("FIREWORKS_API_KEY", "fw_env");
  vi.stubEnv("FIREWORKS_API_BASE", "http://env/v1");
  vi.stubEnv("FIREWORKS_ACCOUNT_ID", "accounts/env");
  expect(readSettings({})).toMatchObject({ apiKey: "fw_env", origin: "http://env", accountId: "env" });
  expect(readSettings({ apiKey: "k", baseURL: "http://h", accountId: "a" })).toMatchObject({
    apiKey: "k",
    origin: "http://h",
    accountId: "a",
  });
});

test.each([
  [{ timeoutMs: 0 }, "timeoutMs"],
  [{ timeoutMs: 1.5 }, "timeoutMs"],
  [{ maxRetries: -1 }, "maxRetries"],
  [{ maxRetries: 21 }, "maxRetries"],
  [{ accountId: "a/b" }, "accountId"],
])("%j is refused by its name", (options, param) => {
  expect(refusalOf({ apiKey: "k", ...options }).param).toBe(param);
});
