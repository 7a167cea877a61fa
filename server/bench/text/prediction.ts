/** Predicted output: the prediction is the model's own output with a fifth of the words changed. */
import { type Goal, number, printTable } from "../report.ts";
import { median, shuffled, spreadPercent, summarize } from "../stats.ts";
import { type Answer, complete, NotAvailable } from "./client.ts";
import type { TextBench } from "./run.ts";

/** A model this small can't edit a text faithfully, so its output stands for the edited text and the prediction for the old one. */
const PROMPTS = [
  "Chapter 1\n\nThe ship left the harbour before sunrise. Captain Morrow had told nobody where they were going, and",
  "How bread is made, from the field to the table. First, the farmer",
  "A letter to my sister about the new house in the mountains.\n\nDear Clara,\n\nwe arrived on Monday, and",
];
const CHANGED = 0.2;
/** Without a penalty the model repeats one sentence, which no edited text does. */
const SAMPLING = { temperature: 0, repetition_penalty: 1.15 };
const NEW_WORDS =
  "copper violin harvest seven quietly orange ladder beyond winter pencil gravel twenty marble often".split(
    " ",
  );

/** Changed words in a row: a line or clause, as in real edits, or single words, which are the hardest to follow. */
const EDITS = { lines: 8, "single words": 1 } as const;
type Edit = keyof typeof EDITS;

/** The text with the share `CHANGED` of its words replaced, `run` words in a row. */
function changed(text: string, run: number): string {
  const pieces = text.split(/(\s+)/);
  const words = pieces.flatMap((piece, i) => (/\S/.test(piece) ? [i] : []));
  const runs = Math.max(1, Math.round((words.length * CHANGED) / run));
  const places = shuffled(Array.from({ length: Math.floor(words.length / run) }, (_, i) => i * run));
  for (const firstWord of places.slice(0, runs)) {
    for (const word of words.slice(firstWord, firstWord + run))
      pieces[word] = NEW_WORDS[pick(NEW_WORDS.length)]!;
  }
  return pieces.join("");
}

function pick(below: number): number {
  return Math.floor(Math.random() * below);
}

export async function measurePrediction(bench: TextBench): Promise<{ results: unknown; goals: Goal[] }> {
  const times: Record<"plain" | Edit, number[]> = { plain: [], lines: [], "single words": [] };
  const accepted: Record<Edit, number[]> = { lines: [], "single words": [] };
  const rejected: Record<Edit, number[]> = { lines: [], "single words": [] };
  const outputs = new Map<string, string>();
  let differing = 0;
  await bench.rounds(async (round) => {
    const prompt = PROMPTS[Math.max(0, round) % PROMPTS.length]!;
    const output = outputs.get(prompt) ?? (await write(bench, prompt, null)).text;
    outputs.set(prompt, output);
    if (round < 0) return;
    for (const side of shuffled(Object.keys(times) as (keyof typeof times)[])) {
      const prediction = side === "plain" ? null : changed(output, EDITS[side]);
      const answer = await write(bench, prompt, prediction);
      times[side].push(answer.totalMs);
      if (answer.text !== output) differing += 1;
      if (side === "plain") continue;
      if (answer.prediction === null) throw new NotAvailable("the prediction was not used");
      accepted[side].push(answer.prediction.accepted);
      rejected[side].push(answer.prediction.rejected);
    }
  });
  const faster = (edit: Edit) => median(times.plain) / median(times[edit]);
  const plain = summarize(times.plain);
  const edits = Object.keys(EDITS) as Edit[];
  printTable(
    `Predicted output, ${bench.options.predictedTokens} tokens, ${100 * CHANGED} % of the words changed`,
    ["", "without, ms", "±%", "with, ms", "±%", "accepted", "rejected", "× faster"],
    edits.map((edit) => [
      `changed: ${edit}`,
      number(plain.median),
      number(spreadPercent(plain)),
      number(median(times[edit])),
      number(spreadPercent(summarize(times[edit]))),
      number(median(accepted[edit])),
      number(median(rejected[edit])),
      number(faster(edit)),
    ]),
  );
  return {
    results: {
      plain,
      ...Object.fromEntries(edits.map((edit) => [edit, summarize(times[edit])])),
      accepted,
      rejected,
    },
    goals: predictionGoals(faster("lines"), differing),
  };
}

function write(bench: TextBench, prompt: string, prediction: string | null): Promise<Answer> {
  return complete(bench.hearth, {
    prompt,
    ...SAMPLING,
    max_tokens: bench.options.predictedTokens,
    ignore_eos: true,
    ...(prediction === null ? {} : { prediction: { type: "content", content: prediction } }),
  });
}

export function predictionGoals(faster: number | null, differing: number | null): Goal[] {
  return [
    {
      name: "text: predicted output, 80 % unchanged",
      value: faster,
      limit: 2,
      kind: "min",
      unit: "× faster",
    },
    {
      name: "text: outputs a prediction changed",
      value: differing,
      limit: 0,
      kind: "max",
      unit: "outputs",
    },
  ];
}
