/** Compares eight choices of a prompt with one: the prompt should be computed once. */
import { type Goal, number, printTable } from "../report.ts";
import { median, shuffled, spreadPercent, summarize } from "../stats.ts";
import { complete } from "./client.ts";
import type { TextBench } from "./run.ts";

const CHOICES = 8;
/** A range of token ids that are ordinary words and parts of words in the default model. */
const TOKENS = { from: 1_000, to: 20_000 };

/** A prompt that shares no prefix with any other, as token ids so that its length is exact. */
function uniquePrompt(tokens: number): number[] {
  return Array.from({ length: tokens }, () =>
    Math.floor(TOKENS.from + Math.random() * (TOKENS.to - TOKENS.from)),
  );
}

export async function measureChoices(bench: TextBench): Promise<{ results: unknown; goals: Goal[] }> {
  const { promptTokens } = bench.options;
  const times = { one: [] as number[], eight: [] as number[] };
  await bench.rounds(async (round) => {
    for (const side of shuffled(["one", "eight"] as const)) {
      const n = side === "one" ? 1 : CHOICES;
      const answer = await complete(bench.hearth, { prompt: uniquePrompt(promptTokens), n, max_tokens: 1 });
      if (answer.choices !== n) throw new Error(`${n} choices were asked for, ${answer.choices} came`);
      if (answer.cachedTokens > 0)
        throw new Error(`${answer.cachedTokens} tokens of a new prompt were cached`);
      if (round >= 0) times[side].push(answer.totalMs);
    }
  });
  const [one, eight] = [summarize(times.one), summarize(times.eight)];
  const value = median(times.eight) / median(times.one);
  printTable(
    `${CHOICES} choices of a ${promptTokens}-token prompt, one token each`,
    ["n: 1, ms", "±%", `n: ${CHOICES}, ms`, "±%", "× n: 1"],
    [
      [
        number(one.median),
        number(spreadPercent(one)),
        number(eight.median),
        number(spreadPercent(eight)),
        number(value),
      ],
    ],
  );
  return { results: { promptTokens, one, eight }, goals: [choicesGoal(value)] };
}

export function choicesGoal(value: number | null): Goal {
  return { name: `text: n: ${CHOICES} beside n: 1`, value, limit: 1.3, kind: "max", unit: "× n: 1" };
}
