import { type FileHandle, mkdir, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { isFileMissing, requireDiskSpace, toDiskFullError, wrongSize } from "./disk.ts";
import type { UploadTicket } from "./signed-urls.ts";

export interface ResumableUploadsOptions {
  /** Where files lie until they are whole. */
  folder: string;
  clock: Clock;
  /** Makes a whole file the blob of that key. The file may be moved away. */
  publish(file: string, key: string): Promise<void>;
}

/** What became of a request that brought bytes. */
export type UploadProgress = { isWhole: true } | { isWhole: false; receivedBytes: number };

/** How often what expired uploads left behind is looked for, at least. */
const SWEEP_MS = 3_600_000;

/**
 * Uploads that are on their way. `<expiry>-<id>` holds what has arrived, `<expiry>-<id>.done` says that the upload is
 * finished: a ticket is good for one file, also after a restart.
 */
export class ResumableUploads {
  readonly #options: ResumableUploadsOptions;
  readonly #busy = new Set<string>();
  #sweptAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: ResumableUploadsOptions) {
    this.#options = options;
  }

  /** How far the upload is; one that had all its bytes but did not come to its end is finished. */
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
   * Takes the bytes from `start` to `end` of the file, both included; what had arrived behind `start` is dropped. Bytes
   * behind a gap are not taken: the answer says where to go on. What arrives before a connection breaks is kept.
   * @throws AppError ALREADY_EXISTS for a finished upload, ABORTED while another request brings bytes, BAD_REQUEST for
   * more or fewer bytes than announced, UNAVAILABLE when the disk is full.
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

  /** Expired tickets open nothing any more. */
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

/** What is too much or too little undoes the request, what a broken connection had brought stays. */
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
