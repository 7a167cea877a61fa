import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { formatIdentity, type ProcessIdentity } from "../../platform/process/identity.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import { Segment } from "./segment.ts";

export const OWNER_FILE = "owner";
/** An active segment that reaches this size is sealed. */
export const SEGMENT_LIMIT_BYTES = 8 * 1024 * 1024;
/** Number of sealed segments whose rows stay in memory. Rows of later segments are read from the file when needed. */
const SEGMENTS_IN_MEMORY = 3;

export interface SpoolOptions {
  /** Folder of all processes' spools. */
  root: string;
  /** Name of this process's folder in `root`; must not exist. */
  name: string;
  identity: ProcessIdentity;
  /** `o` lines of all requests in flight. Each segment begins with them, so that earlier segments may be deleted. */
  snapshot(): string;
  log: BasicLog;
}

/**
 * This process's write-ahead log. Lines are collected during a turn of the event loop and written at its end in one
 * write (group commit); then the callbacks of these lines run.
 */
export class Spool {
  readonly #options: SpoolOptions;
  readonly #folder: string;
  #active: Segment;
  #nextNumber = 1;
  #lines = "";
  #rowCount = 0;
  #callbacks: (() => void)[] = [];
  #scheduled = false;
  #sealed: Segment[] = [];
  #sealedBytes = 0;
  /** The error of the last write; null: the last write succeeded. */
  failure: unknown = null;

  /** @throws the file system's error when the folder can't be created. */
  constructor(options: SpoolOptions) {
    this.#options = options;
    this.#folder = join(options.root, options.name);
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    writeFileSync(join(this.#folder, OWNER_FILE), formatIdentity(options.identity));
    this.#active = this.#newSegment();
  }

  get sizeBytes(): number {
    return this.#sealedBytes + this.#active.sizeBytes;
  }

  /** Rows of closed requests that may not be in the database yet. */
  get pendingRows(): number {
    return this.#sealed.reduce(
      (sum, segment) => sum + segment.rowCount,
      this.#active.rowCount + this.#rowCount,
    );
  }

  /** Segments that wait to be written to the database, oldest first. */
  get sealed(): readonly Segment[] {
    return this.#sealed;
  }

  get active(): Segment {
    return this.#active;
  }

  /** `done` runs once the record survives a `kill -9`. */
  open(record: string, done: (() => void) | null): void {
    this.#lines += `o${record}\n`;
    if (done !== null) this.#callbacks.push(done);
    this.#schedule();
  }

  close(record: string, done: () => void): void {
    this.#lines += `c${record}\n`;
    this.#rowCount++;
    this.#callbacks.push(done);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#commitScheduled);
  }

  readonly #commitScheduled = (): void => {
    this.#scheduled = false;
    this.commit();
  };

  /** Writes the collected lines. If that fails, lines and callbacks are kept for the next call. */
  commit(): void {
    if (this.#lines === "" && this.failure === null) return;
    try {
      // A failed write may have left half a frame, and readers would ignore all frames after it.
      if (this.failure !== null) this.#replaceActive();
      if (this.#lines !== "") this.#active.append(this.#lines);
      this.failure = null;
    } catch (error) {
      if (this.failure === null)
        this.#options.log.error(
          { err: error },
          "Usage can't be written to the spool; the write is tried again",
        );
      this.failure = error;
      return;
    }
    this.#active.rowCount += this.#rowCount;
    const callbacks = this.#callbacks;
    this.#lines = "";
    this.#rowCount = 0;
    this.#callbacks = [];
    for (const done of callbacks) {
      try {
        done();
      } catch (error) {
        // An error of one callback must not keep the others from running.
        this.#options.log.error({ err: error }, "A request could not be ended after its usage was recorded");
      }
    }
  }

  /** Seals the active segment, so that its rows can go to the database, and begins a new one. */
  rotate(): void {
    this.commit();
    if (this.failure !== null) return;
    try {
      this.#replaceActive();
    } catch (error) {
      this.failure = error;
    }
  }

  #replaceActive(): void {
    const next = this.#newSegment();
    const last = this.#active;
    this.#active = next;
    if (last.sizeBytes === 0) {
      // Delete an empty segment: while the disk is full, each attempt would leave another one.
      rmSync(last.path, { force: true });
      void last.close();
      return;
    }
    if (this.#sealed.length >= SEGMENTS_IN_MEMORY) last.payloads = null;
    this.#sealed.push(last);
    this.#sealedBytes += last.sizeBytes;
  }

  #newSegment(): Segment {
    const segment = new Segment(join(this.#folder, `${String(this.#nextNumber++).padStart(10, "0")}.spool`));
    const snapshot = this.#options.snapshot();
    try {
      if (snapshot !== "") segment.append(snapshot);
    } catch (error) {
      rmSync(segment.path, { force: true });
      void segment.close();
      throw error;
    }
    return segment;
  }

  /** Makes everything written so far survive a power cut. */
  async sync(): Promise<void> {
    for (const segment of [...this.#sealed, this.#active]) await segment.sync();
  }

  /** Deletes a sealed segment. Its rows must be in the database and a later segment on the disk. */
  async drop(segment: Segment): Promise<void> {
    this.#sealed = this.#sealed.filter((other) => other !== segment);
    this.#sealedBytes -= segment.sizeBytes;
    await segment.close();
    await rm(segment.path, { force: true });
  }

  /** Updates the owner file's time, which shows processes on other hosts that this process is alive. */
  async touch(nowMs: number): Promise<void> {
    await utimes(join(this.#folder, OWNER_FILE), nowMs / 1_000, nowMs / 1_000);
  }

  /** Closes all files. @param remove delete them too; pass true only when all rows are in the database. */
  async end(remove: boolean): Promise<void> {
    for (const segment of [...this.#sealed, this.#active]) await segment.close();
    if (remove) rmSync(this.#folder, { recursive: true, force: true });
  }
}
