/** The benchmark of text inference: what structured output, predictions, choices and log probabilities cost or save. */
import { type Hearth, startHearth } from "../hearth.ts";
import type { Goal } from "../report.ts";
import { choicesGoal, measureChoices } from "./choices.ts";
import { NotAvailable } from "./client.ts";
import { measureCompile } from "./compile.ts";
import { logprobsGoal, measureLogprobs, measureStructured, structuredGoal } from "./decode.ts";
import { measurePrediction, predictionGoals } from "./prediction.ts";

export interface TextOptions {
  rounds: number;
  /** Fresh processes, one after the other, that each compile all schemas. */
  compileRounds: number;
  /** Output length of the requests whose token rate is measured. */
  decodeTokens: number;
  /** Output length of the requests with and without a prediction. */
  predictedTokens: number;
  /** Length of the prompt that the choices share. */
  promptTokens: number;
  /** A measurement starts no new round after this time, but always finishes its first. */
  budgetMs: number;
}

export interface TextBench {
  options: TextOptions;
  hearth: Hearth;
  /** Runs the rounds of one measurement. Round −1 is the warm-up and must not be counted. */
  rounds(measure: (round: number) => Promise<void>): Promise<void>;
}

interface Measured {
  results: unknown;
  goals: Goal[];
}

export async function runText(options: TextOptions): Promise<Measured> {
  const compile = await measureCompile(options.compileRounds);
  const hearth = await startHearth({ core: null });
  try {
    const bench: TextBench = {
      options,
      hearth,
      async rounds(measure) {
        const untilMs = performance.now() + options.budgetMs;
        for (let round = -1; round < options.rounds; round += 1) {
          if (round > 0 && performance.now() > untilMs) break;
          await measure(round);
        }
      },
    };
    const structured = await orNull(measureStructured(bench), [structuredGoal(null)]);
    const prediction = await orNull(measurePrediction(bench), predictionGoals(null, null));
    const choices = await orNull(measureChoices(bench), [choicesGoal(null)]);
    const logprobs = await orNull(measureLogprobs(bench), [logprobsGoal(null)]);
    return {
      results: {
        compile: compile.results,
        structured: structured.results,
        prediction: prediction.results,
        choices: choices.results,
        logprobs: logprobs.results,
      },
      goals: [structured, compile, prediction, choices, logprobs].flatMap(({ goals }) => goals),
    };
  } finally {
    await hearth.dispose();
  }
}

/** Reports a measurement as not available when the engine lacks the feature; any other failure fails the benchmark. */
async function orNull(measured: Promise<Measured>, without: Goal[]): Promise<Measured> {
  try {
    return await measured;
  } catch (error) {
    if (!(error instanceof NotAvailable)) throw error;
    console.log(`\n${without[0]!.name}: not available (${error.message})`);
    return { results: null, goals: without };
  }
}
