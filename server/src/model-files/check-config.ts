import { planDecoder } from "./convert/plan-decoder.ts";
import { parseDecoderConfig } from "./huggingface/decoder-config.ts";
import { parseJsonObject } from "./json.ts";
import { chatTemplateFromConfig, checkChatTemplate } from "./tokenizers/chat-template.ts";

const TOKENIZER_CONFIG = "tokenizer_config.json";

/**
 * Checks a model's configuration without its other files.
 * @param tokenizerConfigJson null when there is none
 * @throws ModelFileError naming the field that is wrong or not supported
 */
export function checkConfig(configJson: string, tokenizerConfigJson: string | null): void {
  planDecoder(parseDecoderConfig(parseJsonObject("config.json", Buffer.from(configJson))));
  if (tokenizerConfigJson === null) return;
  const template = chatTemplateFromConfig(
    parseJsonObject(TOKENIZER_CONFIG, Buffer.from(tokenizerConfigJson)),
  );
  if (template !== null) checkChatTemplate(template, TOKENIZER_CONFIG);
}
