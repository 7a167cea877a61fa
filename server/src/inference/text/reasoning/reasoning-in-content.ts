import type { FinishReason, ToolCallFragment } from "../../../engine/generation.ts";
import type { ChoiceFinishReason, ContentPart, OutputParser } from "../output-parser.ts";

const OPEN = "<think>";
const CLOSE = "</think>\n";

/**
 * Puts the reasoning that another parser finds in front of the content, as a think block. The tags are the same for every
 * model, because clients search for them. A block that the end of the output cuts off stays open.
 */
export class ReasoningInContent implements OutputParser {
  readonly #parser: OutputParser;
  #isOpen = false;

  constructor(parser: OutputParser) {
    this.#parser = parser;
  }

  push(text: string): readonly ContentPart[] {
    return this.#convert(this.#parser.push(text));
  }

  pushParsed(text: string, as: "reasoning" | ToolCallFragment): readonly ContentPart[] {
    return this.#convert(this.#parser.pushParsed?.(text, as) ?? []);
  }

  flush(): readonly ContentPart[] {
    return this.#convert(this.#parser.flush());
  }

  finishReason(reason: FinishReason): ChoiceFinishReason {
    return this.#parser.finishReason(reason);
  }

  #convert(parts: readonly ContentPart[]): readonly ContentPart[] {
    return parts.flatMap((part): ContentPart[] => {
      if (part.type === "reasoning") {
        const tag = this.#isOpen ? "" : OPEN;
        this.#isOpen = true;
        return [{ type: "content", text: tag + part.text }];
      }
      if (!this.#isOpen) return [part];
      this.#isOpen = false;
      return [{ type: "content", text: CLOSE }, part];
    });
  }
}
