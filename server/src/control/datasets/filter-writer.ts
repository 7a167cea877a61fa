import { badRequest } from "../../lib/errors.ts";
import type { Blobs } from "../../platform/blobs/blobs.ts";
import { fileKey, formatOf, sortedFiles } from "./files.ts";
import type { DatasetFormat } from "./rows/row.ts";
import { chunkJob, type RunCheckJob } from "./rows/row-check-pool.ts";
import { RowReader } from "./rows/row-reader.ts";
import { VALIDATION_LIMITS, type ValidationReport } from "./rows/validator.ts";
import type { DatasetRow } from "./store.ts";

/** The chunks of a split, each with its own dataset. */
export const MAX_CHUNKS = 1_000;
export const MIN_CHUNK_ROWS = 200;
/** Rows are written in pieces of about this size. */
const PIECE_BYTES = 256 * 1024;
/** What comes out of a dataset is no larger than what went in, but for the ends of lines. */
const MAX_BYTES = Number.MAX_SAFE_INTEGER;
const NEWLINE = Buffer.from("\n");

export interface WrittenFile {
  sizeBytes: number;
  report: ValidationReport;
}

/** Writes the rows of `source` that pass the filter as one file. @param options.format what they must be */
export async function writeFiltered(
  blobs: Blobs,
  check: RunCheckJob,
  options: { source: DatasetRow; format: DatasetFormat | null; filter: string; key: string },
): Promise<WrittenFile> {
  const { source, format, filter, key } = options;
  async function* kept(): AsyncGenerator<Uint8Array> {
    await check({ kind: "begin", format, filter });
    for (const [name, file] of sortedFiles(source)) {
      // Also the last line of the file before.
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
  const { sizeBytes } = await blobs.write(key, kept(), { maxBytes: MAX_BYTES });
  return { sizeBytes, report: report! };
}

/**
 * How many rows each chunk gets: `chunkSize`, the last one the rest. Where the rest would be too small for a dataset,
 * the chunk before gives some of its rows.
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
  const rest = total - (count - 1) * chunkSize;
  const lacking = count > 1 ? Math.max(0, VALIDATION_LIMITS.minExamples - rest) : 0;
  sizes[count - 1] = rest + lacking;
  if (lacking > 0) sizes[count - 2]! -= lacking;
  return sizes;
}

/** Writes the rows of `source` one after the other into files of so many rows. @param keyOf by position */
export async function writeChunks(
  blobs: Blobs,
  check: RunCheckJob,
  source: DatasetRow,
  sizes: readonly number[],
  keyOf: (chunk: number) => string,
): Promise<WrittenFile[]> {
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

async function* readChunk(rows: RowReader, size: number, check: RunCheckJob): AsyncGenerator<Uint8Array> {
  let missing = size;
  while (missing > 0) {
    const parts: Buffer[] = [];
    let sizeBytes = 0;
    while (missing > 0 && sizeBytes < PIECE_BYTES) {
      const next = await rows.read(missing);
      if (next.length === 0) throw new Error("A stored dataset has fewer rows than were counted.");
      for (const row of next) parts.push(row, NEWLINE);
      sizeBytes += next.reduce((sum, row) => sum + row.length + 1, 0);
      missing -= next.length;
    }
    const piece = Buffer.concat(parts);
    await check(chunkJob(piece));
    yield piece;
  }
}
