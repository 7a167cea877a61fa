import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import { formatIdentity, type ProcessIdentity } from "../../platform/process/identity.ts";
import { Segment } from "./segment.ts";

export const OWNER_FILE = "owner";
/** A segment grows beyond it only while the database is away. */
export const SEGMENT_LIMIT_BYTES = 8 * 1024 * 1024;
/** Sealed segments whose rows stay in memory; those behind them are read again when their turn comes. */
const SEGMENTS_IN_MEMORY = 3;

export interface SpoolOptions {
  /** Folder of all processes' spools. */
  root: string;
  /** This process's folder in it; new. */
  name: string;
  identity: ProcessIdentity;
  /** `o` lines of all requests in flight: what starts every segment, so that those before it may go. */
  snapshot(): string;
  log: BasicLog;
}

/**
 * This process's write-ahead file. Lines gather during a turn of the event loop and go out in one write at its end;
 * what waits for them is called back after that.
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
  /** Why the last write failed; null while all is well. */
  failure: unknown = null;

  /** Throws what the file system says when the folder can't be made. */
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

  /** Closed rows that may not be in the database yet. */
  get pendingRows(): number {
    return this.#sealed.reduce(
      (sum, segment) => sum + segment.rowCount,
      this.#active.rowCount + this.#rowCount,
    );
  }

  /** Segments whose rows wait for the database, oldest first. */
  get sealed(): readonly Segment[] {
    return this.#sealed;
  }

  get active(): Segment {
    return this.#active;
  }

  /** `done` runs once the record would survive a `kill -9`. */
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

  /** Writes what has gathered. On a failure everything stays gathered for the next call, and nobody is called back. */
  commit(): void {
    if (this.#lines === "" && this.failure === null) return;
    try {
      // The failed write may have left half a frame, after which nothing can be read.
      if (this.failure !== null) this.#replaceActive();
      if (this.#lines !== "") this.#active.append(this.#lines);
      this.failure = null;
    } catch (error) {
      if (this.failure === null)
        this.#options.log.error({ err: error }, "A usage write failed; it is tried again");
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
        // One caller's failure is not the others'.
        this.#options.log.error({ err: error }, "A request could not be ended after its usage was recorded");
      }
    }
  }

  /** Seals the active segment, so that its rows can go to the database, and begins the next. */
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
      // Nothing whole was ever written to it: while the disk is full there would be one more with each attempt.
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

  /** Deletes the oldest sealed segment. Its rows are in the database and a later segment is on the disk. */
  async drop(segment: Segment): Promise<void> {
    this.#sealed = this.#sealed.filter((other) => other !== segment);
    this.#sealedBytes -= segment.sizeBytes;
    await segment.close();
    await rm(segment.path, { force: true });
  }

  /** Shows processes of other hosts that this one lives. */
  async touch(nowMs: number): Promise<void> {
    await utimes(join(this.#folder, OWNER_FILE), nowMs / 1_000, nowMs / 1_000);
  }

  /** Gives the files back; with `remove` there is nothing left in them that matters. */
  async end(remove: boolean): Promise<void> {
    for (const segment of [...this.#sealed, this.#active]) await segment.close();
    if (remove) rmSync(this.#folder, { recursive: true, force: true });
  }
}
