/**
 * Trains the reference tokenizers anew and stores them with the ids expected of them. Needs Python with the packages
 * `tokenizers` and `sentencepiece`: npx tsx write-references-fixture.ts
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { nastyTexts, trainingCorpus } from "./nasty-texts-fixture.ts";
import {
  digestOf,
  ENCODE_SCRIPT,
  REFERENCES_FILE,
  type Reference,
  TRAIN_SCRIPT,
} from "./references-fixture.ts";

function python(script: string, input: unknown): string {
  const options = { input: JSON.stringify(input), maxBuffer: 2 ** 30, encoding: "utf8" } as const;
  return execFileSync("python3", [script], options);
}

const lines = python(TRAIN_SCRIPT, { corpus: trainingCorpus() }).trim().split("\n");
const trained: Omit<Reference, "digests">[] = lines.map((line) => JSON.parse(line));
const tokenizers = Object.fromEntries(trained.map(({ name, tokenizer }) => [name, tokenizer]));
const texts = nastyTexts().map((text) => text.toWellFormed());
const ids: Record<string, number[][]> = JSON.parse(python(ENCODE_SCRIPT, { tokenizers, texts }));
const references = trained.map((one) => ({ ...one, digests: ids[one.name]!.map(digestOf) }));
writeFileSync(REFERENCES_FILE, references.map((one) => `${JSON.stringify(one)}\n`).join(""));
