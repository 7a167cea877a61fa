import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Template } from "@huggingface/jinja";
import { planDecoder } from "./convert/decoder.ts";
import { ModelFileError } from "./errors.ts";
import { readConfig } from "./huggingface/config.ts";
import { readTemplate, readTokenizerConfig } from "./tokenizers/special.ts";

const TOKENIZER_CONFIG = "tokenizer_config.json";

/**
 * What can be said of a model from its configuration alone.
 * @param tokenizerConfigJson null: not given.
 * @throws ModelFileError naming the field that is wrong or not supported.
 */
export async function checkConfig(configJson: string, tokenizerConfigJson: string | null): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "hearth-config-"));
  try {
    await writeFile(join(folder, "config.json"), configJson);
    planDecoder(await readConfig(folder));
    if (tokenizerConfigJson === null) return;
    await writeFile(join(folder, TOKENIZER_CONFIG), tokenizerConfigJson);
    const names = [TOKENIZER_CONFIG];
    const template = await readTemplate(folder, names, await readTokenizerConfig(folder, names));
    if (template !== null) checkTemplate(template);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function checkTemplate(source: string): void {
  try {
    new Template(source);
  } catch {
    throw new ModelFileError(TOKENIZER_CONFIG, "the chat template is not valid Jinja.");
  }
}
