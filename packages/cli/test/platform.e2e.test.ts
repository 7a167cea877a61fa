import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { writeTinyLora, writeTinyModel } from "../../../server/src/model-files/testing.ts";
import { type Hearth, startHearth } from "../../../server/test/harness/hearth.ts";
import { post } from "../../../server/test/harness/http.ts";
import { startFlakyProxy } from "../../sdk/test/flaky-proxy.ts";
import { type Block, guideBlocks, guideShell } from "./guide.ts";
import { builtFirectl, type Firectl, type RunResult, startGate, tempFolder } from "./harness.ts";

let hearth: Hearth;
let firectl: Firectl;
const files = tempFolder();
const row = `${JSON.stringify({
  messages: [
    { role: "user", content: "x".repeat(900) },
    { role: "assistant", content: "y" },
  ],
})}\n`;

beforeAll(async () => {
  hearth = await startHearth();
  firectl = await builtFirectl({ FIREWORKS_API_BASE: hearth.origin, FIREWORKS_API_KEY: hearth.apiKey });
  await writeTinyModel(join(files, "tiny"), { shards: 3 });
  await writeTinyLora(join(files, "lora"));
  writeFileSync(join(files, "data.jsonl"), row.repeat(10));
  writeFileSync(join(files, "large.jsonl"), row.repeat(12_000));
}, 180_000);

/** The guide's blocks depend on earlier ones, and start with a new platform. */
describe("docs/firectl.md", () => {
  let shell: (script: string) => Promise<RunResult>;
  beforeAll(async () => {
    shell = await guideShell(hearth, firectl);
  });

  test.each(guideBlocks().map((block) => [block.script.split("\n")[0], block] as [string, Block]))(
    "%s",
    async (_, { script, printed }) => {
      const { code, stdout, stderr } = await shell(script);
      expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
      if (printed !== null) expect(stdout).toMatch(printed);
    },
  );
});

/** Runs a command that must succeed, and returns its output. */
async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await firectl.runHere(args);
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  return stdout;
}

async function json(...args: string[]): Promise<Record<string, unknown>> {
  return JSON.parse(await ok(...args, "-o", "json")) as Record<string, unknown>;
}

async function refused(...args: string[]): Promise<RunResult> {
  const ran = await firectl.runHere(args);
  expect(ran.code).toBe(1);
  expect(ran.stdout).toBe("");
  return ran;
}

describe("with the real platform", () => {
  test("a model can be uploaded, deployed, called, extended by an addon, downloaded and deleted", async () => {
    expect(await ok("create", "model", "tiny", join(files, "tiny"))).toContain(
      "Name: accounts/local/models/tiny\n",
    );
    expect(await ok("get", "model", "tiny")).toContain("\nState: READY\n");
    const deployed = await json(
      "create",
      "deployment",
      "tiny",
      "--deployment-id",
      "first",
      "--enable-addons",
      "--min-replica-count",
      "1",
      "--scale-to-zero-window",
      "1h30m",
      "--wait",
    );
    expect(deployed).toMatchObject({ state: "READY", autoscalingPolicy: { scaleToZeroWindow: "5400s" } });

    await ok("create", "model", "addon", join(files, "lora"), "--base-model", "tiny");
    expect(await ok("load-lora", "addon", "--deployment", "first", "--wait")).toContain(
      "\nState: DEPLOYED\n",
    );
    const body = {
      model: "accounts/local/models/addon#accounts/local/deployments/first",
      prompt: "the",
      max_tokens: 4,
    };
    const reply = await post(hearth, "/inference/v1/completions", body);
    expect(reply.status).toBe(200);
    expect(await ok("get", "model", "tiny")).toMatch(
      /Deployed Model Refs:\n {2}\[\{\n {4}Name: accounts\/local\/deployedModels\/tiny-/,
    );
    const filter = 'deployment = "accounts/local/deployments/first"';
    expect(await ok("list", "deployed-models", "--filter", filter)).toMatch(
      /^NAME .*\n.*\/addon-.* DEPLOYED .*\n.*\/tiny-.* DEPLOYED .*\n$/,
    );
    expect(await ok("unload-lora", "addon", "--wait")).toMatch(
      /^Unloaded accounts\/local\/deployedModels\/addon-/,
    );

    const target = join(files, "downloaded");
    await ok("download", "model", "tiny", target);
    for (const name of readdirSync(join(files, "tiny"))) {
      expect(readFileSync(join(target, name)).equals(readFileSync(join(files, "tiny", name)))).toBe(true);
    }
    expect((await refused("delete", "model", "tiny")).stderr).toContain("accounts/local/deployments/first");
    await ok("update", "deployment", "first", "--display-name", "First");
    await ok("delete", "deployment", "first", "--wait");
    expect(await ok("list", "deployments", "--show-deleted")).toMatch(/\/first +DELETED.* First\n/);
    expect(await ok("undelete", "deployment", "first", "--wait")).toContain("State: READY");
    expect(await json("scale", "deployment", "first", "--replica-count", "0")).toMatchObject({
      desiredReplicaCount: 0,
    });
    await ok("delete", "deployment", "first", "--hard", "--wait");
    for (const model of ["addon", "tiny"]) await ok("delete", "model", model);
  });

  test("a folder of symbolic links, like Hugging Face's cache, is uploaded with the files they point to", async () => {
    const [snapshot, blobs] = [join(files, "snapshot"), join(files, "blobs")];
    await writeTinyModel(blobs);
    mkdirSync(snapshot);
    for (const name of readdirSync(blobs)) symlinkSync(join("../blobs", name), join(snapshot, name));
    expect(await ok("create", "model", "linked", snapshot, "--quiet")).toContain("State: READY");
  });

  test("datasets, users and keys can be created, changed, listed and deleted", async () => {
    expect(
      await ok("create", "dataset", "rows", join(files, "data.jsonl"), "--display-name", "Rows"),
    ).toMatch(/Example Count: 10\n/);
    expect(await json("update", "dataset", "rows", "--display-name", "Others")).toMatchObject({
      displayName: "Others",
    });
    expect(await ok("list", "datasets", "--filter", 'displayName = "Others"')).toContain(
      "accounts/local/datasets/rows  READY",
    );
    await ok("delete", "dataset", "rows");
    expect((await refused("get", "dataset", "rows")).stderr).toContain("not found");

    await ok("create", "user", "--email=alice@example.com", "--role=admin");
    expect(await json("update", "user", "alice", "--role", "user")).toMatchObject({ role: "user" });
    await ok("delete", "user", "alice");

    const { keyId } = await json("create", "api-key", "--key-name", "second");
    expect(await ok("list", "api-key")).toContain(String(keyId));
    expect(await ok("get", "api-key", String(keyId))).toContain("Display Name: second");
    await ok("delete", "api-key", String(keyId));
    expect(await ok("list", "api-key", "--all-users")).not.toContain(String(keyId));
  });

  test("an operator can create an account, set its quotas, book payments and read the audit log", async () => {
    await ok("create", "account", "--account-id", "team", "--email", "owner@team.example");
    const team = ["-a", "team"];
    await ok(
      ...team,
      "create",
      "user",
      "--user-id",
      "owner",
      "--email",
      "owner@team.example",
      "--role",
      "admin",
    );
    const { key } = await json(...team, "create", "api-key", "--user", "owner");
    const env = { FIREWORKS_API_KEY: String(key) };
    expect((await firectl.run(["get", "account"], { env })).stdout).toContain("Name: accounts/team\n");

    const quota = ["update", "quota", "loras"];
    expect(await json(...team, ...quota, "--max-value", "200", "--value", "150")).toMatchObject({
      value: "150",
    });
    expect((await refused(...team, ...quota, "--value", "201")).stderr).toContain("It is set by --value.");
    expect(await ok(...team, "list", "quotas")).toMatch(/\/loras +150 +200 +0 /);
    const reserved = ["--accelerator-type", "NVIDIA_H100_80GB", "--reserved-count", "12"];
    await ok(...team, "create", "reservation", "--reservation-id", "one", ...reserved);
    expect(await ok(...team, "list", "reservations")).toMatch(/\/one +- +NVIDIA_H100_80GB +12 /);

    const payment = ["create", "payment", "--amount-usd", "250", "--request-id", "bank-17"];
    const booked = await json(...team, ...payment);
    expect(await json(...team, ...payment)).toEqual(booked);
    await ok(...team, "create", "credit", "--amount-usd", "5", "--granted");
    expect(await ok(...team, "get", "billing")).toContain("Credit Balance Usd: 255.00\n");
    expect(await ok(...team, "list", "transactions", "--order-by", "createTime")).toMatch(
      /^NAME.*\n.* payment +250\.00 .*\n.* credit_grant +5\.00 .*\n$/,
    );
    expect(await json(...team, "update", "billing", "--tier", "unlimited")).toMatchObject({
      tier: "UNLIMITED",
    });
    expect(await ok(...team, "list", "audit-logs")).toMatch(
      /operator +updateBilling +accounts\/team\/billing +OK\n/,
    );
    expect(await json(...team, "get", "usage", "--group-by", "model")).toMatchObject({
      usage: [],
      total: { cost: "0.00" },
    });
  });

  test("an operation that the server lacks is reported as not offered", async () => {
    const { code, stderr } = await firectl.runHere(["list", "sftj"]);
    if (code !== 0) expect(stderr).toContain(`${hearth.origin} doesn't offer this.`);
  });

  test("a deleted key is refused, and the error names the source of the key", async () => {
    const { keyId, key } = await json("create", "api-key", "--key-name", "short");
    const env = { FIREWORKS_API_KEY: "" };
    expect((await firectl.run(["signin"], { env, input: `${key}\n` })).code).toBe(0);
    expect((await firectl.run(["list", "models"], { env })).code).toBe(0);
    await ok("delete", "api-key", String(keyId));
    const { code, stderr } = await firectl.run(["list", "models"], { env });
    expect(code).toBe(1);
    expect(stderr).toContain("The key is from profile default");
    expect(stderr).toContain("firectl signin");
    expect(stderr).not.toContain(String(key));
  });

  test("an unusable file is named, and nothing is created", async () => {
    const name = Buffer.concat([Buffer.from(`${files}/latin/`), Buffer.from([0x6d, 0xe9, 0x2e, 0x6a])]);
    mkdirSync(join(files, "latin"));
    writeFileSync(name, "{}");
    expect((await refused("create", "model", "latin", join(files, "latin"))).stderr).toContain(
      "is not UTF-8",
    );
    symlinkSync("nowhere", join(files, "dangling"));
    expect((await refused("create", "dataset", "dangling", join(files, "dangling"))).stderr).toContain(
      "dangling does not exist",
    );
    writeFileSync(join(files, "secret.jsonl"), row.repeat(3));
    chmodSync(join(files, "secret.jsonl"), 0);
    // Root may read every file, so run the command as another user.
    const other = { env: { HOME: files }, ...(process.getuid?.() === 0 && { uid: 65_534 }) };
    const { code, stderr } = await firectl.run(
      ["create", "dataset", "secret", join(files, "secret.jsonl")],
      other,
    );
    expect(code).toBe(1);
    expect(stderr).toContain("secret.jsonl may not be used by you (EACCES)");
    expect(stderr).toContain("Check who may read");
    expect((await refused("get", "model", "latin")).stderr).toContain("not found");
  });

  test("the same command resumes after refused rows or files are fixed", async () => {
    const path = join(files, "broken.jsonl");
    writeFileSync(path, `${row}${row}no JSON\n`);
    const { stderr } = await refused("create", "dataset", "mended", path);
    expect(stderr).toContain("Mend the files and run the same command again.");
    writeFileSync(path, row.repeat(3));
    expect(await ok("create", "dataset", "mended", path)).toContain("State: READY");

    const broken = join(files, "broken");
    await writeTinyModel(broken);
    renameSync(join(broken, "config.json"), join(files, "config.json"));
    expect((await refused("create", "model", "mended", broken)).stderr).toContain("config.json");
    renameSync(join(files, "config.json"), join(broken, "config.json"));
    expect(await ok("create", "model", "mended", broken)).toContain("State: READY");
  });

  test("a model as its trainer wrote it arrives without the trainer's own files, which are named", async () => {
    const trained = join(files, "trained");
    await writeTinyModel(trained);
    mkdirSync(join(trained, "runs"));
    for (const name of ["optimizer.pt", "training_args.bin", "runs/events.out.tfevents.1", "a b.json"]) {
      writeFileSync(join(trained, name), "state");
    }
    const { code, stdout, stderr } = await firectl.run(["create", "model", "trained", trained]);
    expect([code, stdout], stderr).toEqual([0, expect.stringContaining("State: READY")]);
    expect(stderr).toContain(
      "Left out, as a model does not need them: a b.json, optimizer.pt, runs/events.out.tfevents.1, training_args.bin.",
    );
    await ok("delete", "model", "trained");
  });

  test("a download that fails on a full disk leaves no file behind", async () => {
    await ok("create", "model", "huge", await largeModel());
    const target = join(files, "small-disk");
    // A file size limit replaces a full disk: both make a write fail midway.
    const { code, stderr } = await runIn("ulimit -f 1000", ["download", "model", "huge", target]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/model\.safetensors can't be written/);
    expect(readdirSync(target).filter((name) => name.includes("safetensors"))).toEqual([]);
    await ok("download", "model", "huge", target);
    expect(readdirSync(target)).toEqual(readdirSync(join(files, "large")));
  });
});

/** A weights file of more than 8 MiB, so that its upload is resumable. */
async function largeModel(): Promise<string> {
  const folder = join(files, "large");
  if (!existsSync(folder))
    await writeTinyModel(folder, { config: { hidden_size: 384, intermediate_size: 1152 } });
  return folder;
}

/** Runs firectl in a shell after another shell command. */
async function runIn(before: string, args: readonly string[]): Promise<RunResult> {
  const { execFile } = await import("node:child_process");
  const script = `${before}; exec "$@"`;
  return new Promise((resolve) => {
    const argv = ["-c", script, "bash", process.execPath, firectl.program, ...args];
    execFile("bash", argv, { env: firectl.env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

describe("in a terminal", () => {
  test("signin asks for the key and shows stars, and Ctrl-C changes nothing", async () => {
    const env = { HOME: join(firectl.folder, "home2"), FIREWORKS_API_KEY: "" };
    const left = firectl.open(["signin"], { env });
    await left.shows(/API key for .*: $/);
    left.type("fw_half\u0003");
    expect(await left.exited).toBe(130);
    expect(left.output).not.toContain("fw_half");

    const terminal = firectl.open(["signin"], { env });
    await terminal.shows(/API key for .*: $/);
    terminal.type(`x\u007f${hearth.apiKey}`);
    await terminal.shows(/\*{20}/);
    terminal.type("\r");
    expect(await terminal.exited).toBe(0);
    expect(terminal.output).not.toContain(hearth.apiKey);
    expect(terminal.output).toContain("Signed in to accounts/local as operator");
    expect((await firectl.run(["whoami"], { env })).stdout).toContain("Key From: profile default");
  });

  test("signin reports an empty key and a wrong key", async () => {
    const env = { HOME: join(firectl.folder, "home3"), FIREWORKS_API_KEY: "" };
    const nothing = firectl.open(["signin"], { env });
    await nothing.shows(/: $/);
    nothing.type("\r");
    expect(await nothing.exited).toBe(1);
    expect(nothing.output).toContain("No API key was given.");
    const wrong = firectl.open(["signin"], { env });
    await wrong.shows(/: $/);
    wrong.type("fw_wrong\r");
    expect(await wrong.exited).toBe(1);
    expect(wrong.output).toContain("Sign in again");
  });

  test("an upload shows a bar, and the same command resumes it after Ctrl-C", async () => {
    const gate = await startGate(hearth.port, 8_000_000);
    const proxy = await startFlakyProxy({ port: Number(new URL(gate.origin).port) });
    const env = { FIREWORKS_API_BASE: proxy.origin };
    const line = ["create", "dataset", "interrupted", join(files, "large.jsonl")];
    const first = firectl.open(line, { env });
    // This much passes the gate; the client also sends what fits into socket buffers.
    await first.shows(/Uploading {2}\[=+>? *\] +([6-9]\d|100)% of 11\.\d MB/);
    first.type("\u0003");
    expect(await first.exited).toBe(130);
    expect(first.output).toContain("run the same command again to go on");

    gate.open();
    const second = firectl.open(line, { env });
    expect(await second.exited).toBe(0);
    expect(second.output).toContain("Name: accounts/local/datasets/interrupted");
    const starts = proxy.seen
      .filter(({ method, path }) => method === "PUT" && path.startsWith("/blobs/"))
      .map(({ headers }) => headers["content-range"] ?? "from the start");
    expect(starts[0]).toBe("from the start");
    expect(starts[1]).toMatch(/^bytes \*\//);
    expect(starts.at(-1)).toMatch(/^bytes [1-9]\d{6,}-/);
    await proxy.close();
  });

  test("--quiet hides the bar", async () => {
    const terminal = firectl.open(["create", "dataset", "quiet", join(files, "data.jsonl"), "--quiet"]);
    expect(await terminal.exited).toBe(0);
    expect(terminal.output).toMatch(/^Name: accounts\/local\/datasets\/quiet/);
  });
});

// Concurrent, as these tests spend their time in pauses between retries.
describe.concurrent("over a lossy network", () => {
  test("each command takes effect exactly once", async () => {
    const proxy = await startFlakyProxy(hearth);
    const env = { FIREWORKS_API_BASE: proxy.origin };
    proxy.plan(["unavailable", "drop", "delay", "cut-answer"]);
    expect((await firectl.run(["list", "models", "-a", "fireworks"], { env })).code).toBe(0);
    proxy.plan(["drop", "lose-answer"], ({ method }) => method === "POST");
    const made = await firectl.run(["create", "user", "--email", "bob@example.com", "--user-id", "bob"], {
      env,
    });
    expect(made).toMatchObject({ code: 0, stderr: "" });
    proxy.plan(["lose-answer"], ({ method }) => method === "DELETE");
    expect((await firectl.run(["delete", "user", "bob"], { env })).code).toBe(0);
    await proxy.close();
  });

  test("an upload arrives whole in spite of broken connections", async () => {
    const proxy = await startFlakyProxy(hearth);
    const env = { FIREWORKS_API_BASE: proxy.origin };
    const isLarge = (headers: Record<string, unknown>) => Number(headers["content-length"]) > 1_000_000;
    proxy.plan(["cut-body", "cut-body", "unavailable", "lose-answer"], ({ headers }) => isLarge(headers));
    const folder = await largeModel();
    const made = await firectl.run(["create", "model", "battered", folder], { env });
    expect(made).toMatchObject({ code: 0 });
    const target = join(files, "battered");
    proxy.plan(["cut-answer", "drop", "cut-answer"], ({ path }) => path.startsWith("/blobs/"));
    expect(await firectl.run(["download", "model", "battered", target], { env })).toMatchObject({ code: 0 });
    for (const name of readdirSync(folder)) {
      expect(readFileSync(join(target, name)).equals(readFileSync(join(folder, name)))).toBe(true);
    }
    await proxy.close();
  });

  test("an unreachable host and a web server are named with the next step", async () => {
    const gone = await startFlakyProxy(hearth);
    await gone.close();
    const ran = await firectl.run(["list", "models"], { env: { FIREWORKS_API_BASE: gone.origin } });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain(`${gone.origin} can't be reached (ECONNREFUSED)`);
    expect(ran.stderr).toContain("The address is from FIREWORKS_API_BASE. Is it running there?");
  });
});
