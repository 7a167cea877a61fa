import { closeSync, fdatasync, openSync, writeSync } from "node:fs";
import { promisify } from "node:util";
import { crc32 } from "node:zlib";

/**
 * A spool file: frames, each the text `<crc32 of the payload, 8 hex digits> <payload bytes, 8 hex digits>\n` and the
 * payload, which is lines. A frame counts whole or not at all; the first broken one ends the file.
 *
 * A line is a kind and a record: `o` a request still open, as it stood then; `c` a closed one.
 */
const HEAD_BYTES = 18;
const HEAD = /^([0-9a-f]{8}) ([0-9a-f]{8})\n$/;
/** Anything longer is not a frame of ours. */
const MAX_PAYLOAD_BYTES = 1 << 30;

const datasync = promisify(fdatasync);
let scratch = Buffer.allocUnsafe(1 << 16);

export class Segment {
  readonly path: string;
  sizeBytes = 0;
  /**
   * The payloads, for as long as they fit in memory; null: read them from the file. Kept whole, as a row on its own
   * would be a tree of some thirty pieces of text for the garbage collector to carry about.
   */
  payloads: string[] | null = [];
  /** Closed ones. */
  rowCount = 0;
  readonly #file: number;
  #dirty = false;
  #closed = false;
  /** Settles when no sync is under way. */
  #syncing: Promise<unknown> = Promise.resolve();

  constructor(path: string) {
    this.path = path;
    this.#file = openSync(path, "ax", 0o600);
  }

  /**
   * Appends a frame. When it returns, a `kill -9` can't lose it.
   * Throws what the file system says; then the file ends in a broken frame and must not be written again.
   */
  append(payload: string): void {
    // The file's number may be another file's by now.
    if (this.#closed) throw new Error("The segment is closed.");
    const roomBytes = HEAD_BYTES + payload.length * 3;
    if (roomBytes > scratch.length) scratch = Buffer.allocUnsafe(roomBytes * 2);
    const payloadBytes = scratch.write(payload, HEAD_BYTES, "utf8");
    const sizeBytes = HEAD_BYTES + payloadBytes;
    const crc = crc32(scratch.subarray(HEAD_BYTES, sizeBytes));
    scratch.write(`${hex8(crc)} ${hex8(payloadBytes)}\n`, 0, "latin1");
    for (let done = 0; done < sizeBytes; ) done += writeSync(this.#file, scratch, done, sizeBytes - done);
    this.sizeBytes += sizeBytes;
    this.payloads?.push(payload);
    this.#dirty = true;
  }

  /** Makes what was appended before the call survive a power cut. Off the event loop. */
  async sync(): Promise<void> {
    const earlier = this.#syncing;
    if (this.#dirty && !this.#closed) {
      this.#dirty = false;
      const current = datasync(this.#file).catch((error: unknown) => {
        this.#dirty = true;
        throw error;
      });
      this.#syncing = Promise.allSettled([earlier, current]);
      await current;
    }
    await earlier;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#syncing;
    try {
      closeSync(this.#file);
    } catch {
      // What was to be kept has been synced before.
    }
  }
}

function hex8(value: number): string {
  return value.toString(16).padStart(8, "0");
}

export interface SegmentContent {
  /** In the order written, each with its kind in front. */
  lines: string[];
  /** Bytes of the broken end; 0 when the file is whole. */
  tornBytes: number;
}

export function parseSegment(bytes: Buffer): SegmentContent {
  const lines: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const head = HEAD.exec(bytes.toString("latin1", at, at + HEAD_BYTES));
    if (head === null) break;
    const endAt = at + HEAD_BYTES + Number.parseInt(head[2]!, 16);
    if (endAt > bytes.length || endAt - at > MAX_PAYLOAD_BYTES) break;
    const payload = bytes.subarray(at + HEAD_BYTES, endAt);
    if (hex8(crc32(payload)) !== head[1]) break;
    for (const line of payload.toString("utf8").split("\n")) if (line !== "") lines.push(line);
    at = endAt;
  }
  return { lines, tornBytes: bytes.length - at };
}

/** The records of the closed rows among the payloads' lines. */
export function closedRows(payloads: readonly string[]): string[] {
  const rows: string[] = [];
  for (const payload of payloads) {
    for (const line of payload.split("\n")) if (line.startsWith("c")) rows.push(line.slice(1));
  }
  return rows;
}
