import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { apiError, fakeApi, firectl, tempFolder } from "./testing.ts";

const A = "/v1/accounts/acme";
const deployment = (state: string, more: object = {}) => ({
  name: "accounts/acme/deployments/d",
  state,
  ...more,
});
/** Returns the responses in order; the last one repeats. */
const inTurn = (answers: unknown[]) => () => (answers.length > 1 ? answers.shift() : answers[0]);

describe("names of models", () => {
  test("mean the account's model for a bare id, or else the library's model", async () => {
    const api = fakeApi({
      [`GET ${A}/models/mine`]: {},
      "GET /v1/accounts/fireworks/models/shared": {},
      [`POST ${A}/deployments`]: deployment("CREATING"),
    });
    for (const id of ["mine", "shared"]) expect((await firectl(`create deployment ${id}`, api)).code).toBe(0);
    const made = api.requests.filter(({ method }) => method === "POST").map(({ body }) => body);
    expect(made).toEqual([
      { baseModel: "accounts/acme/models/mine" },
      { baseModel: "accounts/fireworks/models/shared" },
    ]);
  });

  test("are refused with a hint when neither the account nor the library has them", async () => {
    const { code, stderr } = await firectl("create deployment nothing", fakeApi({}));
    expect(code).toBe(1);
    expect(stderr).toContain("Neither accounts/acme nor the library has a model nothing.");
    expect(stderr).toContain("firectl list models");
  });

  test.each([
    ["create model My_Model /tmp"],
    ["create model 1st /tmp"],
    ["create dataset -- -x /tmp/x"],
    [`create dataset ${"x".repeat(64)} /tmp/x`],
    ["create deployment m --deployment-id x-"],
    ["create user --email a@b --user-id A"],
    ["create sftj --dataset d --base-model m --job-id 1"],
    ["import model m --model-id -x"],
    ["get deployment a_b"],
    ["get deployment accounts/acme/models/x"],
    ["get deployment a/b/c"],
    ["delete dataset ../x"],
    ["load-lora 'a b'"],
    ["update user alice@example.com --role user"],
    ["create sftj --base-model mistralai/Mixtral-8x7B-Instruct-v0.1 --dataset d"],
  ])("%s: an id against the rules is refused before any request", async (line) => {
    const api = fakeApi({});
    const { code, stderr } = await firectl(line, api);
    expect(stderr).toMatch(/^Error: .*(can't be the id|is no name)/);
    expect(code).toBe(2);
    expect(api.requests).toEqual([]);
  });
});

describe("conflicting flags are refused before any request", () => {
  test.each([
    ["create deployment", "needs one model"],
    ["create deployment a --model-id b", "needs one model"],
    ["create deployment m --draft-model d", "--draft-model needs --draft-token-count"],
    ["create deployment m --ngram-speculation-length 3", "needs --draft-token-count"],
    [
      "create deployment m --draft-model d --ngram-speculation-length 3 --draft-token-count 4",
      "can't be used together",
    ],
    ["create user", "needs --email"],
    ["create user --email alice", "must be an address"],
    ["update billing", "Add at least one of --tier"],
    ["get usage --group-by nonsense", "It can be account, user, key"],
    ["list models --api-base nonsense", 'must be like http://127.0.0.1:8080, not "nonsense"'],
    ["list models --api-base ftp://host", "The address of --api-base must be like"],
    ["create sftj --base-model m", "needs --dataset"],
    ["create sftj --dataset d", "needs --base-model or --warm-start-from"],
    ["create sftj --dataset d --base-model m --warm-start-from l", "not both"],
    ["create sftj --dataset d --base-model m --draft-base-model x", "not tuned by jobs"],
    ["create rftj --dataset d --base-model m", "needs --evaluator or --reward-endpoint"],
    [
      "create rftj --dataset d --base-model m --reward-endpoint nonsense",
      "--reward-endpoint must be an address",
    ],
    ["create model m s3:// --wait", "looks like s3://my-bucket"],
    ["create model m s3://b/p --aws-access-key-id x", "go together"],
    ["create model m /tmp --aws-access-key-id x", "is for models in S3"],
    ["update model m", "Add at least one of --context-length"],
    ["scale deployment d", "--replica-count says"],
    ["list models --page-size 0", "must be at least 1"],
    ["whoami --dry-run", "no request that --dry-run could show"],
    ["completion tcsh", "It knows bash, zsh, fish"],
    ["completion bahs", "Did you mean bash?"],
  ])("%s", async (line, expected) => {
    const api = fakeApi({});
    const { code, stderr } = await firectl(line, api);
    expect(stderr).toContain(expected);
    expect(code).toBe(2);
    expect(api.requests).toEqual([]);
  });
});

describe("--wait", () => {
  test("polls with growing pauses until the deployment is ready, and prints the ready deployment", async () => {
    const pauses: number[] = [];
    const creating = deployment("CREATING", { status: { code: "OK", message: "Loading." } });
    const api = fakeApi({
      [`GET ${A}/models/m`]: {},
      [`POST ${A}/deployments`]: deployment("CREATING"),
      [`GET ${A}/deployments/d`]: inTurn([
        ...Array(12).fill(creating),
        deployment("READY", { replicaCount: 1 }),
      ]),
    });
    const ran = await firectl("create deployment m --wait", { ...api, onPause: (ms) => pauses.push(ms) });
    expect(ran).toEqual({
      code: 0,
      stdout: "Name: accounts/acme/deployments/d\nState: READY\nReplica Count: 1\n",
      stderr: "accounts/acme/deployments/d: CREATING, Loading.\n",
    });
    expect(pauses[0]).toBeLessThan(pauses[5] as number);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(5_000);
  });

  test("fails with the status message of the deployment", async () => {
    const failed = deployment("FAILED", { status: { code: "INTERNAL", message: "Out of memory." } });
    const api = fakeApi({
      [`POST ${A}/deployments/d:undelete`]: deployment("CREATING"),
      [`GET ${A}/deployments/d`]: failed,
    });
    const { code, stdout, stderr } = await firectl("undelete deployment d --wait", api);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("accounts/acme/deployments/d is FAILED: Out of memory.");
  });

  test("ends after --wait-timeout and says how to follow the deployment", async () => {
    const api = fakeApi({
      [`PATCH ${A}/deployments/d`]: deployment("UPDATING"),
      [`GET ${A}/deployments/d`]: deployment("UPDATING"),
    });
    const { code, stderr } = await firectl(
      "update deployment d --max-replica-count 2 --wait --wait-timeout 90s",
      api,
    );
    expect(code).toBe(1);
    expect(stderr).toContain("is still UPDATING after 90 s.");
    expect(stderr).toContain('"firectl get deployment accounts/acme/deployments/d"');
  });

  test("exits with 130 on Ctrl-C and says that the deployment continues", async () => {
    const interrupt = new AbortController();
    const api = fakeApi({
      [`POST ${A}/deployments/d:undelete`]: deployment("CREATING"),
      [`GET ${A}/deployments/d`]: deployment("CREATING"),
    });
    const { code, stderr } = await firectl("undelete deployment d --wait", {
      ...api,
      signal: interrupt.signal,
      onPause: () => interrupt.abort(),
    });
    expect(code).toBe(130);
    expect(stderr).toContain("It continues on the host. Watch it");
  });

  test("prints the status message of a model whose import failed", async () => {
    const model = {
      name: `accounts/acme/models/m`,
      state: "UPLOADING",
      status: { code: "NOT_FOUND", message: "No such bucket." },
    };
    const api = fakeApi({
      [`POST ${A}/models`]: model,
      [`POST ${A}/models/m:import`]: {},
      [`GET ${A}/models/m`]: model,
    });
    const { code, stderr } = await firectl("create model m s3://bucket/m --wait", api);
    expect(code).toBe(1);
    expect(stderr).toContain("No such bucket.");
  });

  test("waits after unload-lora until the deployed model is gone", async () => {
    const loaded = {
      name: "accounts/acme/deployedModels/l-1",
      state: "DEPLOYED",
      deployment: "accounts/acme/deployments/d",
    };
    const api = fakeApi({
      [`GET ${A}/deployedModels`]: { deployedModels: [loaded], nextPageToken: "" },
      [`DELETE ${A}/deployedModels/l-1`]: {},
      [`GET ${A}/deployedModels/l-1`]: inTurn([
        { ...loaded, state: "UNDEPLOYING" },
        apiError(404, 5, "gone"),
      ]),
    });
    const { code, stdout } = await firectl("unload-lora l --wait", api);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "Unloaded accounts/acme/deployedModels/l-1.\n" });
  });
});

describe("unload-lora", () => {
  const loaded = (id: string, at: string) => ({
    name: `accounts/acme/deployedModels/${id}`,
    state: "DEPLOYED",
    deployment: at,
  });

  test("without --deployment refuses to choose between several", async () => {
    const deployedModels = [
      loaded("1", "accounts/acme/deployments/a"),
      loaded("2", "accounts/acme/deployments/b"),
    ];
    const api = fakeApi({ [`GET ${A}/deployedModels`]: { deployedModels, nextPageToken: "" } });
    const { code, stderr } = await firectl("unload-lora l", api);
    expect(code).toBe(1);
    expect(stderr).toContain("loaded on accounts/acme/deployments/a, accounts/acme/deployments/b.");
    expect(stderr).toContain("--deployment");
    expect(api.requests).toHaveLength(1);
  });

  test("says when the model is not loaded", async () => {
    const api = fakeApi({ [`GET ${A}/deployedModels`]: { deployedModels: [], nextPageToken: "" } });
    expect((await firectl("unload-lora l", api)).stderr).toContain("accounts/acme/models/l is not loaded.");
  });
});

test("create sftj --quiet prints only errors", async () => {
  const job = { name: "accounts/acme/supervisedFineTuningJobs/j", state: "JOB_STATE_CREATING" };
  const api = fakeApi({ [`GET ${A}/models/m`]: {}, [`POST ${A}/supervisedFineTuningJobs`]: job });
  const line = "create sftj --base-model m --dataset d";
  expect((await firectl(line, api)).stdout).toContain(`Name: ${job.name}`);
  expect(await firectl(`${line} --quiet`, api)).toEqual({ code: 0, stdout: "", stderr: "" });
});

describe("lists", () => {
  const page = (ids: string[], nextPageToken: string) => ({
    models: ids.map((id) => ({ name: `accounts/acme/models/${id}`, state: "READY" })),
    nextPageToken,
    totalSize: 3,
  });
  const api = () =>
    fakeApi({
      [`GET ${A}/models`]: page(["a", "b"], "next"),
      [`GET ${A}/models?pageSize=200`]: page(["a", "b"], "next"),
      [`GET ${A}/models?pageSize=200&pageToken=next`]: page(["c"], ""),
      [`GET ${A}/models?pageToken=next`]: page(["c"], ""),
    });

  test("print one page and how to get the next", async () => {
    const { stdout, stderr } = await firectl("list models", api());
    expect(stdout.split("\n")).toHaveLength(4);
    expect(stderr).toBe("2 of 3. Next page: --page-token next. All: --no-paginate.\n");
    expect((await firectl("list models --page-token next", api())).stdout).toContain(
      "accounts/acme/models/c",
    );
  });

  test("print all pages with --no-paginate", async () => {
    const { stdout, stderr } = await firectl("list models --no-paginate", api());
    expect(stdout).toMatch(/^NAME .*\n.*\/a .*\n.*\/b .*\n.*\/c .*\n$/);
    expect(stderr).toBe("");
  });

  test("print usage by groups, page by page, with the total", async () => {
    const report = (day: string, nextPageToken: string) => ({
      usage: [{ day, requests: "2", cost: "0.10" }],
      total: { requests: "4", cost: "0.20" },
      startTime: "A",
      endTime: "B",
      nextPageToken,
      totalSize: 2,
    });
    const usage = () =>
      fakeApi({
        [`GET ${A}/usage?groupBy=day`]: report("one", "next"),
        [`GET ${A}/usage?groupBy=day&pageSize=200`]: report("one", "next"),
        [`GET ${A}/usage?groupBy=day&pageSize=200&pageToken=next`]: report("two", ""),
      });
    const { stdout, stderr } = await firectl("get usage --group-by day", usage());
    expect(stdout).toMatch(/^DAY +REQUESTS .*COST USD\none +2 .*0\.10\n$/);
    expect(stderr).toBe(
      "From A to B: 4 requests, $0.20.\n1 of 2. Next page: --page-token next. All: --no-paginate.\n",
    );
    const all = JSON.parse((await firectl("get usage --group-by day --no-paginate -o json", usage())).stdout);
    expect(all).toMatchObject({
      usage: [{ day: "one" }, { day: "two" }],
      total: { cost: "0.20" },
      totalSize: 2,
    });
  });

  test("print the API's response as JSON", async () => {
    expect(JSON.parse((await firectl("list models -o json", api())).stdout)).toEqual(
      page(["a", "b"], "next"),
    );
    expect(JSON.parse((await firectl("list models -o json --no-paginate", api())).stdout)).toEqual(
      page(["a", "b", "c"], ""),
    );
  });

  test("end with an error when the host returns the same page for ever", async () => {
    const looping = fakeApi({ [`GET ${A}/models`]: page(["a"], "next") });
    const { code, stderr } = await firectl("list models --no-paginate", looping);
    expect(code).toBe(1);
    expect(stderr).toContain("leads to itself");
  });
});

describe("API keys and the session", () => {
  const verify = (user: string | null) =>
    new Response("{}", {
      headers: {
        "content-type": "application/json",
        "x-fireworks-account-id": "acme",
        ...(user && { "x-fireworks-user-id": user }),
      },
    });

  test("create api-key prints the key in the reference's format, with a warning", async () => {
    const made = {
      createTime: "2026-01-01T00:00:00Z",
      keyId: "key_1",
      displayName: "quick",
      secure: true,
      key: "fw_new",
    };
    const { stdout, stderr } = await firectl(
      "create api-key --key-name quick",
      fakeApi({ [`POST ${A}/apiKeys`]: made }),
    );
    expect(stdout).toMatch(/^Key Id: key_1\nDisplay Name: quick\nKey: fw_new\nSecure: true\n/);
    expect(stderr).toBe("Be sure to save this key. It will not be shown again.\n");
  });

  test("list api-key prints the user's own keys, and all users' keys with --all-users", async () => {
    const api = fakeApi({
      "GET /verifyApiKey": () => verify("alice"),
      [`GET ${A}/users/alice/apiKeys`]: { apiKeys: [{ keyId: "own" }], nextPageToken: "" },
      [`GET ${A}/apiKeys`]: { apiKeys: [{ keyId: "own" }, { keyId: "other" }], nextPageToken: "" },
    });
    expect((await firectl("list api-keys", api)).stdout).not.toContain("other");
    expect((await firectl("list api-keys --all-users", api)).stdout).toContain("other");
  });

  test("list api-key prints the account's keys when the host doesn't name the user", async () => {
    const api = fakeApi({
      "GET /verifyApiKey": () => verify(null),
      [`GET ${A}/apiKeys`]: { apiKeys: [{ keyId: "own" }], nextPageToken: "" },
    });
    expect((await firectl("list api-keys", api)).stdout).toContain("own");
  });

  test("set-api-key checks and saves a key, and later commands use it", async () => {
    const home = tempFolder();
    const api = fakeApi({ "GET /verifyApiKey": () => verify("alice"), [`GET ${A}/models`]: { models: [] } });
    const ran = await firectl("set-api-key fw_mine", { ...api, home, env: {} });
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(ran.stdout).toContain("Signed in to accounts/acme as alice at http://127.0.0.1:8080.");
    expect((await firectl("list models", { ...api, home, env: {} })).code).toBe(0);
    expect(api.requests.at(-1)?.headers.get("authorization")).toBe("Bearer fw_mine");
    const shown = (await firectl("whoami -o json", { ...api, home, env: {} })).stdout;
    expect(JSON.parse(shown)).toMatchObject({
      account: "accounts/acme",
      user: "accounts/acme/users/alice",
      profile: "default",
    });
    expect(shown).not.toContain("fw_mine");
  });

  test("set-api-key doesn't save a wrong key", async () => {
    const home = tempFolder();
    const api = fakeApi({ "GET /verifyApiKey": () => apiError(401, 16, "The API key is wrong.") });
    const { code, stderr } = await firectl("set-api-key fw_wrong", { ...api, home, env: {} });
    expect(code).toBe(1);
    expect(stderr).toContain("The API key is wrong.");
    expect(() => readFileSync(join(home, ".fireworks/auth.ini"))).toThrow(/ENOENT/);
  });

  test("signin fails when the host refuses the key for the account", async () => {
    const api = fakeApi({ "GET /verifyApiKey": () => verify("alice") });
    const home = tempFolder();
    const { code } = await firectl("signin other-team --api-key fw_mine", { ...api, home, env: {} });
    expect(code).toBe(1);
    expect(api.requests.map(({ path }) => path)).toEqual(["/verifyApiKey", "/v1/accounts/other-team"]);
  });

  test("a command without a key says how to sign in", async () => {
    const { code, stderr } = await firectl("list models", { ...fakeApi({}), env: {} });
    expect(code).toBe(1);
    expect(stderr).toContain("There is no API key for http://127.0.0.1:8080.");
    expect(stderr).toContain("firectl signin");
  });
});

describe("an error names the cause and the next step", () => {
  test.each([
    [
      401,
      16,
      "The API key is wrong.",
      'The key is from FIREWORKS_API_KEY. Sign in again with "firectl signin"',
    ],
    [403, 7, "Your role may not do that.", "Ask an admin of the account."],
    [404, 5, "Model accounts/acme/models/m not found.", "Commands work in accounts/acme"],
    [404, 5, "No accounts/acme/deployedModels/m here.", '"firectl list deployed-models" shows what there is'],
    [409, 6, "There is one already.", "Choose another id"],
    [404, 5, "No such path.", "A newer version of it may."],
    [501, 12, "The operation deleteModel is not built yet.", "A newer version of it may."],
  ])("%i", async (status, code, message, next) => {
    const api = fakeApi({ [`DELETE ${A}/models/m`]: () => apiError(status, code, message) });
    const ran = await firectl("delete model m", api);
    expect(ran).toMatchObject({ code: 1, stdout: "" });
    const isMissing = next === "A newer version of it may.";
    expect(ran.stderr).toContain(isMissing ? "doesn't offer this" : `Error: ${message}\n`);
    expect(ran.stderr).toContain(next);
  });

  test("when the host answers with a web page, which suggests a wrong address", async () => {
    const page = () =>
      new Response("<!doctype html><title>Hello</title>", { headers: { "content-type": "text/html" } });
    for (const line of ["list models", "get model m", "whoami", "set-api-key fw_x"]) {
      // Without an account, the first request reads the key's account.
      const { code, stderr } = await firectl(line, {
        env: { FIREWORKS_API_KEY: "fw_test" },
        fetch: async () => page(),
        home: tempFolder(),
      });
      expect(code).toBe(1);
      expect(stderr).toContain("http://127.0.0.1:8080");
      expect(stderr).toMatch(/--api-base/);
      expect(stderr).not.toContain("<title>");
    }
  });

  test("with the flag of the field that the host refuses", async () => {
    const details = [
      { fieldViolations: [{ field: "autoscalingPolicy.scaleDownWindow", description: "too long" }] },
    ];
    const refusal = () => Response.json({ code: 3, message: "It is too long.", details }, { status: 400 });
    const api = fakeApi({ [`PATCH ${A}/deployments/d`]: refusal });
    const { stderr } = await firectl("update deployment d --scale-down-window 9h", api);
    expect(stderr).toBe("Error: It is too long.\nIt is set by --scale-down-window.\n");
  });

  test("without the API key", async () => {
    const api = fakeApi({ [`GET ${A}/models/m`]: () => apiError(400, 3, "The key fw_test is odd.") });
    expect((await firectl("get model m", api)).stderr).not.toContain("fw_test");
  });

  test("with control characters of the host escaped", async () => {
    const api = fakeApi({ [`GET ${A}/models/m`]: () => apiError(400, 3, "\u001b[2Jgone") });
    expect((await firectl("get model m", api)).stderr).toContain("\\u001b[2Jgone");
  });
});

describe("an unusable file is named with the next step", () => {
  const files = tempFolder();
  mkdirSync(join(files, "folder"));
  writeFileSync(join(files, "empty"), "");

  test.each([
    ["create dataset d FILES/nothing.jsonl", /nothing\.jsonl does not exist/],
    ["create dataset d FILES/folder", /folder is a folder, where a JSONL file belongs/],
    ["create dataset d FILES/latin\ufffd1", /seems not to be UTF-8: rename it/],
    ["create model m FILES/empty", /empty is a file, where a folder of a model's files belongs/],
    ["create model m FILES/nothing", /nothing does not exist/],
    ["create model m FILES/folder", /folder holds no files/],
    ["download model m FILES/empty", /empty is a file, where a folder belongs/],
  ])("%s", async (line, expected) => {
    const api = fakeApi({});
    const { code, stderr } = await firectl(line.replace("FILES", files), { ...api, home: files });
    expect(code).toBe(1);
    expect(stderr).toMatch(expected);
    expect(api.requests).toEqual([]);
  });
});

test("signin reads the key from a pipe", async () => {
  const { readSecret } = await import("./prompt.ts");
  const processContext = (text: string) =>
    ({ stdin: Readable.from([text.slice(0, 3), text.slice(3)]) }) as never;
  const piped = (text: string) => {
    const stdin = Readable.from([Buffer.from(text)]) as unknown as NodeJS.ReadStream;
    return readSecret({ ...(processContext("") as object), stdin } as never, "?");
  };
  expect(await piped("fw_piped\nmore\n")).toBe("fw_piped");
  await expect(piped("\n")).rejects.toThrow("No API key was given.");
});

test("version prints the package's version", async () => {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  for (const line of ["version", "--version"])
    expect((await firectl(line)).stdout).toBe(`firectl ${version}\n`);
  expect((await firectl("upgrade")).stdout).toContain("npm install --global firectl@latest");
});
