/** Compiles schemas one after the other, each for the first time, in the same kind of worker as the server. */
import { grammarForSchema, startGrammarCompiler } from "../../src/structured-output/grammar-compiler.ts";
import { schemas } from "./schemas.ts";

export interface CompileOrder {
  seed: number;
  count: number;
}

export interface CompileRun {
  times: { kind: string; ms: number }[];
}

async function run({ seed, count }: CompileOrder): Promise<CompileRun> {
  const times: CompileRun["times"] = [];
  for (const { kind, schema } of schemas(seed, count)) {
    const startMs = performance.now();
    await grammarForSchema(schema, "bench");
    times.push({ kind, ms: performance.now() - startMs });
  }
  return { times };
}

process.on("disconnect", () => process.exit(0));
process.on("message", (order: CompileOrder) => {
  run(order).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
startGrammarCompiler();
// The worker has started when it answers for the first time.
await grammarForSchema({ type: "string", pattern: "^ready$" }, "bench");
process.send?.({ ready: true });
