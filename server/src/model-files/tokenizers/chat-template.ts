/** Reads the chat template of a Hugging Face folder. */
import { Template } from "@huggingface/jinja";
import { ModelFileError } from "../errors.ts";
import { readSmallFile } from "../file-bytes.ts";
import type { JsonObject } from "../json.ts";

const MAX_TEMPLATE_BYTES = 1024 ** 2;
export const CHAT_TEMPLATE_FILE = "chat_template.jinja";

/** From `chat_template.jinja`, otherwise from `tokenizer_config.json`. @param names the folder's file names */
export async function readChatTemplate(
  folder: string,
  names: readonly string[],
  tokenizerConfig: JsonObject | null,
): Promise<string | null> {
  if (!names.includes(CHAT_TEMPLATE_FILE)) {
    return tokenizerConfig === null ? null : chatTemplateFromConfig(tokenizerConfig);
  }
  return (await readSmallFile(folder, CHAT_TEMPLATE_FILE, MAX_TEMPLATE_BYTES)).toString("utf8");
}

/** The template; of several named templates, the one named default. Null when there is none. */
export function chatTemplateFromConfig(json: JsonObject): string | null {
  const template = json.raw("chat_template");
  if (template === undefined) return null;
  if (!Array.isArray(template)) return checkLength(json, json.text("chat_template"));
  for (const [index, item] of template.entries()) {
    const namedTemplate = json.within(`chat_template[${index}]`, item);
    if (namedTemplate.text("name") === "default") return checkLength(json, namedTemplate.text("template"));
  }
  return null;
}

function checkLength(json: JsonObject, template: string): string {
  if (template.length <= MAX_TEMPLATE_BYTES) return template;
  throw json.fail("chat_template", `is longer than ${MAX_TEMPLATE_BYTES} characters.`);
}

/** @param file the file that holds the template, for the error. @throws ModelFileError when it is not valid Jinja. */
export function checkChatTemplate(source: string, file: string): void {
  try {
    new Template(source);
  } catch {
    throw new ModelFileError(file, "the chat template is not valid Jinja.");
  }
}
