/** The tags around the reasoning of one family of models. */
export interface ReasoningFormat {
  name: string;
  open: string;
  close: string;
}

/** The first format whose closing tag a chat template contains is the model's. */
export const REASONING_FORMATS: readonly ReasoningFormat[] = [
  { name: "think", open: "<think>", close: "</think>" },
  { name: "magistral", open: "[THINK]", close: "[/THINK]" },
  { name: "seed", open: "<seed:think>", close: "</seed:think>" },
  { name: "cohere", open: "<|START_THINKING|>", close: "<|END_THINKING|>" },
];

/**
 * The reasoning format of a model, by the catalog's hint or by its chat template; null: the model doesn't reason. The hint
 * `none` marks a model that doesn't reason although its template contains the tags.
 * @throws RangeError for a hint that names no format, which is a defect of the catalog.
 */
export function selectReasoningFormat(
  hint: string | undefined,
  chatTemplate: string | null,
): ReasoningFormat | null {
  if (hint === "none") return null;
  if (hint === undefined) {
    const template = chatTemplate ?? "";
    return REASONING_FORMATS.find((format) => template.includes(format.close)) ?? null;
  }
  const format = REASONING_FORMATS.find((candidate) => candidate.name === hint);
  if (format === undefined) throw new RangeError(`There is no reasoning format ${hint}.`);
  return format;
}

/** The texts that mark reasoning in the output. */
export function reasoningMarkers({ open, close }: ReasoningFormat): string[] {
  return [open, close];
}

/** Whether the rendered prompt ends inside a think block, so that the output begins with reasoning. */
export function promptOpensReasoning(prompt: string, format: ReasoningFormat): boolean {
  return prompt.trimEnd().endsWith(format.open);
}

/** Whether a text has opened a think block without closing it. */
export function endsWithinReasoning(text: string, format: ReasoningFormat): boolean {
  return text.lastIndexOf(format.open) > text.lastIndexOf(format.close);
}

/**
 * The text to append to a rendered prompt so that the model answers without reasoning: an empty think block, or the rest of
 * one that the template has begun.
 */
export function emptyThinkBlock(prompt: string, format: ReasoningFormat): string {
  const end = prompt.trimEnd();
  if (end.endsWith(format.close)) return "";
  const opened = promptOpensReasoning(prompt, format);
  return opened ? closingText(format) : `${format.open}\n${closingText(format)}`;
}

/** The text that ends a think block early. The engine writes it into the output when the budget is spent. */
export function closingText(format: ReasoningFormat): string {
  return `\n${format.close}\n\n`;
}
