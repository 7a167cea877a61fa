/**
 * The benchmark: `npm run bench [-- --quick|--smoke] [-- --only gateway|engine|text|control|usage|limits|cli]`. Compares
 * alternatives in alternating rounds, prints tables and writes bench-results.json. Uses the loopback interface only and ends
 * every process that it started.
 */
import { runCli } from "./cli/run.ts";
import { runControl } from "./control/run.ts";
import { runEngine } from "./engine/run.ts";
import { runGateway } from "./gateway/run.ts";
import { runLimits } from "./limits/run.ts";
import { endAll, ROOT } from "./processes.ts";
import { type Goal, machineFacts, met, printGoals, writeResults } from "./report.ts";
import { runText } from "./text/run.ts";
import { runUsage } from "./usage/run.ts";

/** How much is measured: `full` for figures worth quoting, `quick` for a first look, `smoke` to see that it runs. */
const SIZES = {
  full: {
    gateway: {
      rounds: 3,
      compileRequests: 30_000,
      compileMs: 15_000,
      warmUpMs: 300,
      measureMs: 1_500,
      budgetMs: 140_000,
    },
    engine: {
      rounds: 5,
      decodeTokens: 160,
      concurrentTokens: 64,
      longPromptTokens: 3_000,
      prefillTokens: 1_000,
      burstRequests: 500,
      budgetMs: 100_000,
    },
    text: {
      rounds: 5,
      compileRounds: 3,
      decodeTokens: 160,
      predictedTokens: 400,
      promptTokens: 1_000,
      budgetMs: 40_000,
    },
    control: {
      coldStart: { rounds: 5 },
      scale: { clients: 24, maxTokens: 24, requestsAtThree: 200 },
      lora: {
        adapters: 50,
        clients: [1, 4, 8],
        requests: 3,
        rounds: 4,
        promptTokens: 128,
        outputTokens: 32,
      },
      listing: { rows: 1_000_000, samples: 200, budgetMs: 10_000 },
    },
    usage: { rows: 10_000_000, samples: 9, batches: 100 },
    limits: { loadMs: 150_000 },
    cli: { start: { runs: 21 }, list: { models: 10_000 }, upload: { sizeBytes: 1e9, rounds: 5 } },
  },
  quick: {
    gateway: {
      rounds: 1,
      compileRequests: 15_000,
      compileMs: 5_000,
      warmUpMs: 200,
      measureMs: 600,
      budgetMs: 25_000,
    },
    engine: {
      rounds: 1,
      decodeTokens: 96,
      concurrentTokens: 24,
      longPromptTokens: 1_000,
      prefillTokens: 1_000,
      burstRequests: 500,
      budgetMs: 10_000,
    },
    text: {
      rounds: 3,
      compileRounds: 1,
      decodeTokens: 96,
      predictedTokens: 400,
      promptTokens: 1_000,
      budgetMs: 8_000,
    },
    control: {
      coldStart: { rounds: 3 },
      scale: { clients: 24, maxTokens: 16, requestsAtThree: 60 },
      lora: {
        adapters: 50,
        clients: [4],
        requests: 2,
        rounds: 2,
        promptTokens: 128,
        outputTokens: 32,
      },
      listing: { rows: 100_000, samples: 40, budgetMs: 3_000 },
    },
    usage: { rows: 1_000_000, samples: 5, batches: 30 },
    limits: { loadMs: 65_000 },
    cli: { start: { runs: 7 }, list: { models: 10_000 }, upload: { sizeBytes: 2e8, rounds: 3 } },
  },
  smoke: {
    gateway: {
      rounds: 1,
      compileRequests: 100,
      compileMs: 50,
      warmUpMs: 20,
      measureMs: 150,
      budgetMs: 5_000,
    },
    engine: {
      rounds: 1,
      decodeTokens: 8,
      concurrentTokens: 4,
      longPromptTokens: 300,
      prefillTokens: 100,
      burstRequests: 100,
      budgetMs: 5_000,
    },
    text: {
      rounds: 1,
      compileRounds: 1,
      decodeTokens: 8,
      predictedTokens: 32,
      promptTokens: 200,
      budgetMs: 2_000,
    },
    control: {
      coldStart: { rounds: 1 },
      scale: { clients: 12, maxTokens: 8, requestsAtThree: 12 },
      lora: {
        adapters: 3,
        clients: [2],
        requests: 1,
        rounds: 1,
        promptTokens: 32,
        outputTokens: 4,
      },
      listing: { rows: 2_000, samples: 3, budgetMs: 1_000 },
    },
    usage: { rows: 20_000, samples: 3, batches: 3 },
    limits: { loadMs: 1_000 },
    cli: { start: { runs: 1 }, list: { models: 1_000 }, upload: { sizeBytes: 2e7, rounds: 1 } },
  },
} as const;

const PARTS = ["gateway", "engine", "text", "control", "usage", "limits", "cli"];

interface Settings {
  size: keyof typeof SIZES;
  only: string | null;
}

function readSettings(args: readonly string[]): Settings {
  const settings: Settings = { size: "full", only: null };
  for (let i = 0; i < args.length; i += 1) {
    if (args[i] === "--quick") settings.size = "quick";
    else if (args[i] === "--smoke") settings.size = "smoke";
    else if (args[i] === "--only" && PARTS.includes(args[i + 1] ?? "")) settings.only = args[++i]!;
    else {
      console.error(`unknown argument ${args[i]}; there are --quick, --smoke and --only ${PARTS.join("|")}`);
      process.exit(2);
    }
  }
  return settings;
}

async function main(): Promise<void> {
  const { size, only } = readSettings(process.argv.slice(2));
  const facts = machineFacts();
  console.log(
    `${facts.cpu}, ${facts.cores} cores, Node ${facts.node}, load average ${facts.loadAverageAtStart.toFixed(1)}`,
  );
  if (facts.loadAverageAtStart > 0.5) console.log("The machine is busy: expect ratios to be off.");
  const goals: Goal[] = [];
  const results: Record<string, unknown> = {};
  const startedAt = new Date();
  if (only === null || only === "gateway") {
    const gateway = await runGateway(SIZES[size].gateway);
    results["gateway"] = gateway.results;
    goals.push(...gateway.goals);
  }
  if (only === null || only === "engine") {
    const engine = await runEngine(SIZES[size].engine);
    results["engine"] = engine.results;
    goals.push(...engine.goals);
  }
  if (only === null || only === "text") {
    const text = await runText(SIZES[size].text);
    results["text"] = text.results;
    goals.push(...text.goals);
  }
  if (only === null || only === "control") {
    const control = await runControl(SIZES[size].control);
    results["control"] = control.results;
    goals.push(...control.goals);
  }
  if (only === null || only === "usage") {
    const usage = await runUsage(SIZES[size].usage);
    results["usage"] = usage.results;
    goals.push(...usage.goals);
  }
  if (only === null || only === "limits") {
    const limits = await runLimits(SIZES[size].limits);
    results["limits"] = limits.results;
    goals.push(...limits.goals);
  }
  if (only === null || only === "cli") {
    const cli = await runCli(SIZES[size].cli);
    results["cli"] = cli.results;
    goals.push(...cli.goals);
  }
  printGoals(goals);
  const seconds = Math.round((Date.now() - startedAt.getTime()) / 1000);
  writeResults(new URL("bench-results.json", ROOT), {
    startedAt: startedAt.toISOString(),
    seconds,
    size,
    machine: facts,
    goals: goals.map((goal) => ({ ...goal, pass: met(goal) })),
    results,
  });
  console.log(`\n${seconds} s, written to bench-results.json`);
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void endAll().then(() => process.exit(130)));
}

main()
  .then(() => 0)
  .catch((error: unknown) => {
    console.error(error);
    return 1;
  })
  .then(async (code) => {
    await endAll();
    process.exit(code);
  });
