import { badRequest } from "../../lib/errors.ts";
import type { Blobs } from "../../platform/blobs/blobs.ts";
import { fileKey, formatOf, sortedFiles } from "./files.ts";
import type { DatasetFormat } from "./rows/row.ts";
import { chunkJob, type RunCheckJob } from "./rows/row-check-pool.ts";
import { RowReader } from "./rows/row-reader.ts";
import { VALIDATION_LIMITS, type ValidationReport } from "./rows/validator.ts";
import type { DatasetRow } from "./store.ts";

/** Most datasets that one split creates. */
export const MAX_CHUNKS = 1_000;
export const MIN_CHUNK_ROWS = 200;
/** A split writes rows in pieces of about this size. */
const PIECE_BYTES = 256 * 1024;
/** No limit of its own: the output is at most as large as the source dataset, apart from line ends. */
const MAX_BYTES = Number.MAX_SAFE_INTEGER;
const NEWLINE = Buffer.from("\n");

export interface WrittenFile {
  sizeBytes: number;
  report: ValidationReport;
}

/** Writes the rows of `source` that pass the filter as one file. */
export async function writeFiltered(options: {
  blobs: Blobs;
  check: RunCheckJob;
  source: DatasetRow;
  /** The format that all rows must have; null: the format of the first row. */
  format: DatasetFormat | null;
  filter: string;
  key: string;
}): Promise<WrittenFile> {
  const { blobs, check, source, format, filter, key } = options;
  async function* passedRows(): AsyncGenerator<Uint8Array> {
    await check({ kind: "begin", format, filter });
    for (const [name, file] of sortedFiles(source)) {
      // Beginning a file ends the one before, which may give its last line.
      yield (await check({ kind: "file", name })).passedLines;
      for await (const bytes of await blobs.read(fileKey(source, file.blobId!))) {
        yield (await check(chunkJob(bytes as Buffer))).passedLines;
      }
    }
    const last = await check({ kind: "finish" });
    report = last.report;
    yield last.passedLines;
  }
  let report: ValidationReport | null = null;
  const { sizeBytes } = await blobs.write(key, passedRows(), { maxBytes: MAX_BYTES });
  return { sizeBytes, report: report! };
}

/**
 * The number of rows of each chunk: `chunkSize`, and the remainder for the last one. A remainder that is too small for
 * a dataset is filled up with rows of the chunk before.
 * @throws AppError BAD_REQUEST naming chunkSize.
 */
export function chunkSizes(total: number, chunkSize: number): number[] {
  if (!(chunkSize >= MIN_CHUNK_ROWS)) {
    throw badRequest("chunkSize", `chunkSize must be at least ${MIN_CHUNK_ROWS}.`);
  }
  const count = Math.ceil(total / chunkSize);
  if (count > MAX_CHUNKS) {
    throw badRequest(
      "chunkSize",
      `chunkSize gives ${count} chunks, and at most ${MAX_CHUNKS} are made at once.`,
    );
  }
  const sizes = Array.from({ length: count }, () => chunkSize);
  const remainder = total - (count - 1) * chunkSize;
  const missing = count > 1 ? Math.max(0, VALIDATION_LIMITS.minExamples - remainder) : 0;
  sizes[count - 1] = remainder + missing;
  if (missing > 0) sizes[count - 2]! -= missing;
  return sizes;
}

/** Writes the rows of `source`, in order, into one file for each chunk. */
export async function writeChunks(options: {
  blobs: Blobs;
  check: RunCheckJob;
  source: DatasetRow;
  /** Number of rows of each chunk. */
  sizes: readonly number[];
  /** Key of a chunk's file. */
  keyOf: (index: number) => string;
}): Promise<WrittenFile[]> {
  const { blobs, check, source, sizes, keyOf } = options;
  const files = sortedFiles(source).map(
    ([, file]) =>
      async () =>
        (await blobs.read(fileKey(source, file.blobId!))) as AsyncIterable<Buffer>,
  );
  const rows = new RowReader(files, VALIDATION_LIMITS.maxLineBytes);
  const written: WrittenFile[] = [];
  try {
    for (const size of sizes) {
      await check({ kind: "begin", format: formatOf(source), filter: null });
      await check({ kind: "file", name: "" });
      const piece = readChunk(rows, size, check);
      const { sizeBytes } = await blobs.write(keyOf(written.length), piece, { maxBytes: MAX_BYTES });
      const { report } = await check({ kind: "finish" });
      written.push({ sizeBytes, report: report! });
    }
  } finally {
    await rows.close();
  }
  return written;
}

/** Reads and checks the next `size` rows, in pieces of about `PIECE_BYTES`. */
async function* readChunk(rows: RowReader, size: number, check: RunCheckJob): AsyncGenerator<Uint8Array> {
  let missing = size;
  while (missing > 0) {
    const parts: Buffer[] = [];
    let sizeBytes = 0;
    while (missing > 0 && sizeBytes < PIECE_BYTES) {
      const nextRows = await rows.read(missing);
      if (nextRows.length === 0) throw new Error("A stored dataset has fewer rows than were counted.");
      for (const row of nextRows) parts.push(row, NEWLINE);
      sizeBytes += nextRows.reduce((sum, row) => sum + row.length + 1, 0);
      missing -= nextRows.length;
    }
    const piece = Buffer.concat(parts);
    await check(chunkJob(piece));
    yield piece;
  }
}
