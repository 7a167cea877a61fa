import { Template } from "@huggingface/jinja";
import { expect, test } from "vitest";
import {
  emptyThinkBlock,
  promptOpensReasoning,
  REASONING_FORMATS,
  type ReasoningFormat,
  selectReasoningFormat,
} from "./formats.ts";

const think = REASONING_FORMATS[0] as ReasoningFormat;

test("a model reasons when its template contains the tags or the catalog says so", () => {
  expect(selectReasoningFormat(undefined, "{{ '<think>\\n' }}{% if '</think>' in content %}")?.name).toBe(
    "think",
  );
  expect(selectReasoningFormat(undefined, "{{ '[THINK]' + m + '[/THINK]' }}")?.name).toBe("magistral");
  expect(selectReasoningFormat(undefined, "{{ messages[0].content }}")).toBeNull();
  expect(selectReasoningFormat(undefined, null)).toBeNull();
  expect(selectReasoningFormat("none", "</think>")).toBeNull();
  expect(selectReasoningFormat("seed", null)?.open).toBe("<seed:think>");
  expect(() => selectReasoningFormat("nothing", null)).toThrow(RangeError);
});

test("with reasoning off, every template's prompt ends after exactly one closed block", () => {
  const opening = new Template("A:{% if add_generation_prompt %}<think>\n{% endif %}");
  const silent = new Template("A:");
  const knowing = new Template("A:{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}");
  for (const template of [opening, silent, knowing]) {
    const prompt = template.render({ add_generation_prompt: true, enable_thinking: false });
    const full = prompt + emptyThinkBlock(prompt, think);
    expect(full).toBe("A:<think>\n\n</think>\n\n");
  }
});

test("the output begins inside a think block when the prompt ends with its opening tag", () => {
  expect(promptOpensReasoning("User: <think>\n", think)).toBe(true);
  expect(promptOpensReasoning("User: <think>\n\n</think>\n\n", think)).toBe(false);
  expect(promptOpensReasoning("User: <think> no", think)).toBe(false);
});
