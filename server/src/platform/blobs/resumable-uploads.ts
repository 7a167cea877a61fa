import { type FileHandle, mkdir, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { isFileMissing, requireDiskSpace, toDiskFullError, wrongSize } from "./disk.ts";
import type { UploadTicket } from "./signed-urls.ts";

export interface ResumableUploadsOptions {
  /** Folder for incomplete files. */
  folder: string;
  clock: Clock;
  /** Stores a complete file as a blob. May move the file away. */
  publish(file: string, key: string): Promise<void>;
}

/** State of an upload after a request. */
export type UploadProgress = { isWhole: true } | { isWhole: false; receivedBytes: number };

/** Shortest time between two sweeps of expired uploads. */
const SWEEP_MS = 3_600_000;

/**
 * Uploads in progress. The file `<expiry>-<id>` has the bytes received so far. `<expiry>-<id>.done` marks a finished
 * upload, so that a ticket works only once, even after a restart.
 */
export class ResumableUploads {
  readonly #options: ResumableUploadsOptions;
  readonly #busy = new Set<string>();
  #sweptAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: ResumableUploadsOptions) {
    this.#options = options;
  }

  /** State of the upload. If all bytes have arrived but a crash prevented the end, finishes the upload. */
  async resume(ticket: UploadTicket): Promise<UploadProgress> {
    const received = await this.#received(ticket);
    if (received.isWhole || received.receivedBytes < ticket.sizeBytes || this.#busy.has(ticket.id))
      return received;
    return this.receive(ticket, { start: ticket.sizeBytes, end: ticket.sizeBytes - 1 }, emptyBody());
  }

  async #received(ticket: UploadTicket): Promise<UploadProgress> {
    const file = this.#file(ticket);
    if ((await fileSize(`${file}.done`)) !== null) return { isWhole: true };
    return { isWhole: false, receivedBytes: (await fileSize(file)) ?? 0 };
  }

  /**
   * Receives the bytes of the range, and discards bytes after `start` that had arrived before. Bytes after a gap are
   * refused; the result tells where to continue. Bytes that arrive before the connection breaks are kept.
   * @throws AppError ALREADY_EXISTS for a finished upload, ABORTED while another request uploads the file, BAD_REQUEST
   * when the body has another size than the range, UNAVAILABLE when the disk is full.
   */
  async receive(
    ticket: UploadTicket,
    range: { start: number; end: number },
    body: AsyncIterable<Uint8Array>,
  ): Promise<UploadProgress> {
    if (this.#busy.has(ticket.id))
      throw new AppError("ABORTED", "Another request is uploading this file at the moment.");
    this.#busy.add(ticket.id);
    try {
      const before = await this.#received(ticket);
      if (before.isWhole)
        throw new AppError("ALREADY_EXISTS", "The file was uploaded with this URL; it works only once.");
      if (range.start > before.receivedBytes) return before;
      return await this.#append(ticket, range, body);
    } catch (error) {
      throw toDiskFullError(error);
    } finally {
      this.#busy.delete(ticket.id);
    }
  }

  async #append(
    ticket: UploadTicket,
    { start, end }: { start: number; end: number },
    body: AsyncIterable<Uint8Array>,
  ): Promise<UploadProgress> {
    const { folder, publish } = this.#options;
    const path = this.#file(ticket);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    void this.#sweep();
    await requireDiskSpace(folder, ticket.sizeBytes - start);
    const file = await open(path, "a", 0o600);
    try {
      await file.truncate(start);
      await appendExactly(file, body, start, end - start + 1);
      if (end + 1 < ticket.sizeBytes) return { isWhole: false, receivedBytes: end + 1 };
      await file.sync();
    } finally {
      await file.close();
    }
    await publish(path, ticket.key);
    await (await open(`${path}.done`, "w", 0o600)).close();
    await rm(path, { force: true });
    return { isWhole: true };
  }

  #file({ id, expiresAtMs }: UploadTicket): string {
    return join(this.#options.folder, `${expiresAtMs}-${id}`);
  }

  /** Deletes the files of expired uploads. */
  async #sweep(): Promise<void> {
    const nowMs = this.#options.clock.now();
    if (nowMs - this.#sweptAtMs < SWEEP_MS) return;
    this.#sweptAtMs = nowMs;
    for (const name of await readdir(this.#options.folder).catch(() => [])) {
      const isBusy = [...this.#busy].some((id) => name.includes(id));
      if (Number.parseInt(name, 10) <= nowMs && !isBusy)
        await rm(join(this.#options.folder, name), { force: true }).catch(() => {});
    }
  }
}

/** Appends the body. If its length is wrong, undoes the request; if the connection breaks, keeps the bytes so far. */
async function appendExactly(
  file: FileHandle,
  body: AsyncIterable<Uint8Array>,
  start: number,
  lengthBytes: number,
): Promise<void> {
  let receivedBytes = 0;
  for await (const chunk of body) {
    receivedBytes += chunk.length;
    if (receivedBytes > lengthBytes) break;
    await file.writeFile(chunk);
  }
  if (receivedBytes === lengthBytes) return;
  await file.truncate(start);
  throw wrongSize(lengthBytes);
}

async function* emptyBody(): AsyncGenerator<Uint8Array> {}

async function fileSize(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isFileMissing(error)) return null;
    throw error;
  }
}
