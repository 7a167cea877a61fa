/**
 * The benchmark: `npm run bench [-- --quick] [-- --only gateway|engine]`. Prints tables with ratios out of one
 * alternated run and writes them to bench-results.json. Loopback only; ends what it started.
 */
import { runEngine } from "./engine/run.ts";
import { runGateway } from "./gateway/run.ts";
import { endAll, ROOT } from "./processes.ts";
import { type Goal, machineFacts, met, printGoals, writeResults } from "./report.ts";

interface Settings {
  quick: boolean;
  only: string | null;
}

function readSettings(args: readonly string[]): Settings {
  const settings: Settings = { quick: false, only: null };
  for (let i = 0; i < args.length; i += 1) {
    if (args[i] === "--quick") settings.quick = true;
    else if (args[i] === "--only" && ["gateway", "engine"].includes(args[i + 1] ?? ""))
      settings.only = args[++i]!;
    else {
      console.error(`unknown argument ${args[i]}; there are --quick and --only gateway|engine`);
      process.exit(2);
    }
  }
  return settings;
}

async function main(): Promise<void> {
  const { quick, only } = readSettings(process.argv.slice(2));
  const facts = machineFacts();
  console.log(
    `${facts.cpu}, ${facts.cores} cores, Node ${facts.node}, load average ${facts.loadAverageAtStart.toFixed(1)}`,
  );
  if (facts.loadAverageAtStart > 0.5) console.log("The machine is busy: expect ratios to be off.");
  const goals: Goal[] = [];
  const results: Record<string, unknown> = {};
  const startedAt = new Date();
  if (only === null || only === "gateway") {
    const size = quick
      ? { rounds: 1, compileMs: 1_000, warmUpMs: 200, measureMs: 600, budgetMs: 20_000 }
      : { rounds: 3, compileMs: 2_000, warmUpMs: 300, measureMs: 1_500, budgetMs: 120_000 };
    const gateway = await runGateway(size);
    results["gateway"] = gateway.results;
    goals.push(...gateway.goals);
  }
  if (only === null || only === "engine") {
    const engine = await runEngine(
      quick
        ? { rounds: 1, decodeTokens: 96, concurrentTokens: 24, longPromptTokens: 1_000, budgetMs: 10_000 }
        : { rounds: 5, decodeTokens: 160, concurrentTokens: 64, longPromptTokens: 3_000, budgetMs: 100_000 },
    );
    results["engine"] = engine.results;
    goals.push(...engine.goals);
  }
  printGoals(goals);
  const seconds = Math.round((Date.now() - startedAt.getTime()) / 1000);
  writeResults(new URL("bench-results.json", ROOT), {
    startedAt: startedAt.toISOString(),
    seconds,
    quick,
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
