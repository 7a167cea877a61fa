/** The cost per token of structured output and of log probabilities, compared with plain output. */
import { type Goal, number, printTable } from "../report.ts";
import { median, type Summary, shuffled, spreadPercent, summarize } from "../stats.ts";
import { complete } from "./client.ts";
import type { TextBench } from "./run.ts";

/** Requires a list longer than any measured output, so that no generation ends early. */
const SCHEMA = {
  type: "object",
  properties: {
    people: {
      type: "array",
      minItems: 16,
      items: {
        type: "object",
        properties: {
          name: { type: "string" },
          city: { type: "string" },
          age: { type: "integer" },
          hobbies: { type: "array", items: { type: "string" } },
        },
        required: ["name", "city", "age", "hobbies"],
      },
    },
  },
  required: ["people"],
};
const CONSTRAINED = {
  response_format: { type: "json_schema", json_schema: { name: "people", schema: SCHEMA } },
};

const ASKING = `Write a JSON object with a list "people". Each has "name", "city", "age" and "hobbies", as in
{"people": [{"name": "Ada", "city": "Turin", "age": 36, "hobbies": ["chess", "sewing"]}]}
The JSON object:
`;
const STORY = "The old lighthouse stood at the end of the bay. Every evening the keeper";

interface Task {
  name: string;
  prompt: string;
  temperature: number;
}

/** The usual case: the prompt asks for the schema's content. */
const ASKED: Task = { name: "prompt asks for JSON, greedy", prompt: ASKING, temperature: 0 };
/** The worst case: the model prefers other text at every token. */
const UNASKED: Task = { name: "prompt doesn't, temperature 1", prompt: STORY, temperature: 1 };

type Sides<Side extends string> = Record<Side, number[]>;

/**
 * Tokens per second of each side over the whole request, in alternating rounds. The first round is not counted: it fills
 * the caches of prompt and grammar, so that the other rounds measure decoding.
 */
async function rates<Side extends string>(
  bench: TextBench,
  task: Task,
  sides: Record<Side, Record<string, unknown>>,
): Promise<Sides<Side>> {
  const names = Object.keys(sides) as Side[];
  const result = Object.fromEntries(names.map((name) => [name, []])) as unknown as Sides<Side>;
  await bench.rounds(async (round) => {
    for (const side of shuffled(names)) {
      const answer = await complete(bench.hearth, {
        prompt: task.prompt,
        temperature: task.temperature,
        seed: 1_000 + round,
        max_tokens: bench.options.decodeTokens,
        stream: true,
        ...sides[side],
      });
      if (answer.completionTokens < bench.options.decodeTokens) {
        throw new Error(`${task.name}, ${side}: ended after ${answer.completionTokens} tokens`);
      }
      if (round >= 0) result[side].push(answer.completionTokens / (answer.totalMs / 1000));
    }
  });
  return result;
}

const ratio = (above: readonly number[], below: readonly number[]) => median(above) / median(below);

function cells(summary: Summary): string[] {
  return [number(summary.median), number(spreadPercent(summary))];
}

export async function measureStructured(bench: TextBench): Promise<{ results: unknown; goals: Goal[] }> {
  const results: Record<string, unknown> = {};
  const ratios: number[] = [];
  const rows: string[][] = [];
  for (const task of [ASKED, UNASKED]) {
    const { free, constrained } = await rates(bench, task, {
      free: { ignore_eos: true },
      constrained: CONSTRAINED,
    });
    ratios.push(ratio(constrained, free));
    results[task.name] = { free: summarize(free), constrained: summarize(constrained) };
    rows.push([
      task.name,
      ...cells(summarize(free)),
      ...cells(summarize(constrained)),
      number(ratios.at(-1)!),
    ]);
  }
  printTable(
    `Structured output, tokens/s, ${bench.options.decodeTokens} tokens`,
    ["", "free", "±%", "by a schema", "±%", "× free"],
    rows,
  );
  return { results, goals: [structuredGoal(ratios[0]!)] };
}

export function structuredGoal(value: number | null): Goal {
  return { name: "text: structured output beside free text", value, limit: 0.85, kind: "min", unit: "×" };
}

export async function measureLogprobs(bench: TextBench): Promise<{ results: unknown; goals: Goal[] }> {
  const { plain, scored } = await rates(
    bench,
    { name: "log probabilities", prompt: STORY, temperature: 0 },
    { plain: { ignore_eos: true }, scored: { ignore_eos: true, logprobs: true, top_logprobs: 5 } },
  );
  const value = ratio(plain, scored);
  printTable(
    `Log probabilities, tokens/s, ${bench.options.decodeTokens} tokens`,
    ["plain", "±%", "top 5", "±%", "time × plain"],
    [[...cells(summarize(plain)), ...cells(summarize(scored)), number(value)]],
  );
  return {
    results: { plain: summarize(plain), scored: summarize(scored) },
    goals: [logprobsGoal(value)],
  };
}

export function logprobsGoal(value: number | null): Goal {
  return { name: "text: time a token with top-5 logprobs", value, limit: 1.5, kind: "max", unit: "× plain" };
}
