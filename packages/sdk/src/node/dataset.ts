import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename, resolve } from "node:path";
import { type DatasetContent, enablePaths } from "../declarative/dataset.ts";
import { fileError, localFile } from "./files.ts";
import { uploadDatasetFiles } from "./upload.ts";

enablePaths(async (path, filename = basename(path)): Promise<DatasetContent> => {
  const found = await localFile(resolve(path), filename);
  return {
    filename,
    sha256: await digestOf(path),
    send: (client, datasetId, { signal }) => uploadDatasetFiles(client, [found], { datasetId, signal }),
  };
});

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    const bytes = createReadStream(path, { highWaterMark: 1024 ** 2 }) as AsyncIterable<Buffer>;
    for await (const chunk of bytes) hash.update(chunk);
  } catch (error) {
    throw fileError(path, error);
  }
  return hash.digest("hex");
}
