import { closeSync, fdatasync, openSync, writeSync } from "node:fs";
import { promisify } from "node:util";
import { crc32 } from "node:zlib";

const HEAD_BYTES = 18;
const HEAD = /^([0-9a-f]{8}) ([0-9a-f]{8})\n$/;
/** A longer payload means that the header is corrupt. */
const MAX_PAYLOAD_BYTES = 1 << 30;

const datasync = promisify(fdatasync);
let scratch = Buffer.allocUnsafe(1 << 16);

/**
 * A file of the write-ahead log that buffers usage rows. The file is a sequence of frames. A frame is the header
 * `<crc32 of the payload, 8 hex digits> <payload bytes, 8 hex digits>\n` and the payload, which consists of lines.
 * Readers stop at the first incomplete or corrupt frame and use all frames before it.
 *
 * A line is a letter and a record: `o` for a request that was still open at that time, `c` for a closed one.
 */
export class Segment {
  readonly path: string;
  sizeBytes = 0;
  /**
   * The payloads, while they are kept in memory; null: read them from the file. They are not split into rows, because
   * each row would be a rope of some thirty strings that the garbage collector has to traverse.
   */
  payloads: string[] | null = [];
  /** Rows of closed requests. */
  rowCount = 0;
  readonly #file: number;
  #dirty = false;
  #closed = false;
  /** Settles when no sync is in progress. */
  #syncing: Promise<unknown> = Promise.resolve();

  constructor(path: string) {
    this.path = path;
    this.#file = openSync(path, "ax", 0o600);
  }

  /**
   * Appends a frame. A frame survives a `kill -9` once this has returned.
   * @throws the file system's error. The file may then end in an incomplete frame and must not be written again.
   */
  append(payload: string): void {
    // The descriptor of a closed file may belong to another file by now.
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

  /** Writes all earlier frames through to the disk, so that they survive a power cut. Does not block the event loop. */
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
      // Everything that matters was synced before.
    }
  }
}

function hex8(value: number): string {
  return value.toString(16).padStart(8, "0");
}

export interface SegmentContent {
  /** In the order of writing, each with its letter in front. */
  lines: string[];
  /** Bytes after the last whole frame; 0 when the file is intact. */
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

/** Extracts the records of closed requests from the payloads. */
export function closedRows(payloads: readonly string[]): string[] {
  const rows: string[] = [];
  for (const payload of payloads) {
    for (const line of payload.split("\n")) if (line.startsWith("c")) rows.push(line.slice(1));
  }
  return rows;
}
