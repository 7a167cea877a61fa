import { readdir } from "node:fs/promises";
import { ModelFileError } from "./errors.ts";

/** Finds the GGUF file of a folder; null when there is none. @throws ModelFileError when there are several. */
export async function findGguf(folder: string): Promise<string | null> {
  const [first, second] = (await readdir(folder)).filter((name) => /\.gguf$/i.test(name)).sort();
  if (second !== undefined) {
    throw new ModelFileError(
      second,
      "is a second GGUF file: a model is one of them, so join split files first.",
    );
  }
  return first ?? null;
}
