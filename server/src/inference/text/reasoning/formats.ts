/** How one family of models sets its reasoning apart. */
export interface ReasoningFormat {
  name: string;
  open: string;
  close: string;
}

/** In the order in which a chat template's markers decide. */
export const REASONING_FORMATS: readonly ReasoningFormat[] = [
  { name: "think", open: "<think>", close: "</think>" },
  { name: "magistral", open: "[THINK]", close: "[/THINK]" },
  { name: "seed", open: "<seed:think>", close: "</seed:think>" },
  { name: "cohere", open: "<|START_THINKING|>", close: "<|END_THINKING|>" },
];

/**
 * The format of a model: the catalog's hint, or what its chat template shows; null for a model that doesn't reason.
 * The hint `none` says so of a model whose template shows tags it doesn't use.
 * @throws RangeError for a hint that names no format: a defect of the catalog.
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

/** Whether the rendered prompt ends inside a think block, so that the output begins there. */
export function promptOpensReasoning(prompt: string, format: ReasoningFormat): boolean {
  return prompt.trimEnd().endsWith(format.open);
}

/**
 * What to append to a rendered prompt so that the model answers at once: an empty think block, as far as the
 * template hasn't written one itself.
 */
export function emptyThinkBlock(prompt: string, format: ReasoningFormat): string {
  const end = prompt.trimEnd();
  if (end.endsWith(format.close)) return "";
  const opened = promptOpensReasoning(prompt, format);
  return opened ? closingText(format) : `${format.open}\n${closingText(format)}`;
}

/** What ends a think block early: put into the output when the budget is spent. */
export function closingText(format: ReasoningFormat): string {
  return `\n${format.close}\n\n`;
}
