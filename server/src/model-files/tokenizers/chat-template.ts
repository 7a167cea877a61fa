/** Reads the chat template of a Hugging Face folder. */
import { systemClock } from "../../lib/clock.ts";
import { TemplateError } from "../../lib/jinja/errors.ts";
import { Template } from "../../lib/jinja/template.ts";
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
  const problem = syntaxProblem(source);
  if (problem !== null) throw new ModelFileError(file, `the chat template is not valid Jinja: ${problem}`);
}

/** Nodes that one probe may evaluate: far more than a real template needs for a few messages. */
const MAX_PROBE_WORK = 200_000;

const USER = { role: "user", content: "Hello" };
const TOOL = {
  type: "function",
  function: {
    name: "get_weather",
    description: "Weather of a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};
const UNDESCRIBED_TOOL = { type: "function", function: { name: "ping", parameters: { type: "object" } } };
const CALL = {
  role: "assistant",
  content: "",
  tool_calls: [
    { id: "000000001", type: "function", function: { name: "get_weather", arguments: { city: "Rome" } } },
  ],
};
const RESULT = { role: "tool", content: "21", name: "get_weather", tool_call_id: "000000001" };

interface Probe {
  name: string;
  messages: readonly object[];
  tools?: readonly object[];
}

const PROBES: readonly Probe[] = [
  { name: "a question", messages: [USER] },
  { name: "a system message", messages: [{ role: "system", content: "Be brief." }, USER] },
  { name: "several turns", messages: [USER, { role: "assistant", content: "Hi" }, USER] },
];
const TOOL_PROBES: readonly Probe[] = [
  { name: "tools", messages: [USER], tools: [TOOL, UNDESCRIBED_TOOL] },
  { name: "a tool call and its result", messages: [USER, CALL, RESULT], tools: [TOOL] },
];

export interface TemplateProbe {
  /** The source can be parsed. */
  valid: boolean;
  /** What fails, in sentences; empty when every probe renders. */
  warnings: string[];
}

/**
 * Renders a chat template with several conversations. A template that fails for some of them is still of use for the others,
 * and a model without a valid template still completes texts.
 */
export function probeChatTemplate(
  source: string,
  tokens: { bosToken: string | null; eosToken: string | null },
): TemplateProbe {
  const problem = syntaxProblem(source);
  if (problem !== null) {
    const warning = `The chat template is not valid Jinja, so chat completions are off for this model: ${problem}.`;
    return { valid: false, warnings: [warning] };
  }
  const template = new Template(source);
  const warnings: string[] = [];
  for (const { name, messages, tools = null } of [
    ...PROBES,
    ...(/\btools\b/.test(source) ? TOOL_PROBES : []),
  ]) {
    const variables = {
      messages,
      tools,
      add_generation_prompt: true,
      bos_token: tokens.bosToken ?? "",
      eos_token: tokens.eosToken ?? "",
    };
    try {
      template.render(variables, { now: new Date(systemClock.now()), maxWork: MAX_PROBE_WORK });
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      warnings.push(`The chat template fails for ${name}: ${error.message.slice(0, MAX_REASON_CHARS)}`);
    }
  }
  return { valid: true, warnings };
}

const MAX_REASON_CHARS = 300;

/** Null: the source is valid. */
function syntaxProblem(source: string): string | null {
  try {
    new Template(source);
    return null;
  } catch (error) {
    return (error as Error).message.slice(0, MAX_REASON_CHARS);
  }
}
