/** For tests only: the small tokenizers that stand for the supported families, with the ids expected of them. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export interface Reference {
  name: string;
  /** `tokenizer.json`; for one with a `model`, what `transformers` makes of it. */
  tokenizer: unknown;
  /** `tokenizer.model` in base64; null where `tokenizer.json` is what is converted. */
  model: string | null;
  /** `legacy` of `tokenizer_config.json`, for a `model`. */
  legacy: boolean;
  /** One for each of `nastyTexts()`. */
  digests: string[];
}

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
export const TRAIN_SCRIPT = path("train.py");
export const ENCODE_SCRIPT = path("encode.py");
export const REFERENCES_FILE = path("tokenizers.jsonl");

export function readReferences(): Reference[] {
  const lines = readFileSync(REFERENCES_FILE, "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line));
}

/** Short enough to store thousands, long enough that a wrong one passes once in 16 million. */
export function digestOf(tokens: readonly number[]): string {
  return createHash("sha256").update(tokens.join()).digest("base64").slice(0, 4);
}
