/** Fifty LoRAs on one base model: their memory, and their latency compared with one LoRA under the same load. */
import { copyFile, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeLora } from "../../src/engines/llama-cpp/lora/lora-fixture.ts";
import { launchReplica, type TestReplica, textRequest } from "../../src/engines/llama-cpp/testing.ts";
import { SMOLLM2_135M_SHAPE } from "../../src/model-files/testing.ts";
import { findModel } from "../engine/run.ts";
import { type Goal, number, printTable } from "../report.ts";
import { median, percentile, summarize } from "../stats.ts";

export interface LoraOptions {
  adapters: number;
  /** Numbers of concurrent clients to measure; each sends its requests one after the other. */
  clients: readonly number[];
  /** Requests of each client in a round. */
  requests: number;
  promptTokens: number;
  outputTokens: number;
  rounds: number;
}

interface Subject {
  replica: TestReplica;
  ids: string[];
}

const LIMIT = 1.3;
const TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
const never = new AbortController().signal;

export async function measureLora(options: LoraOptions): Promise<{ results: unknown; goals: Goal[] }> {
  const folder = await mkdtemp(join(tmpdir(), "hearth-lora-"));
  const modelPath = findModel();
  const subjects: Subject[] = [];
  try {
    const paths = await writeLoras(folder, modelPath, options.adapters);
    const adapterBytes = (await stat(paths[0]!)).size;
    for (const count of [1, options.adapters]) {
      const replica = await launchReplica({
        modelPath,
        slots: Math.max(...options.clients),
        contextSize: 2048,
      });
      subjects.push({ replica, ids: [] });
      for (const [i, path] of paths.slice(0, count).entries()) {
        await replica.engine.loadLora!({ id: `adapter-${i}`, path });
        subjects.at(-1)!.ids.push(`adapter-${i}`);
      }
    }
    const [one, many] = subjects as [Subject, Subject];
    const loads = [];
    for (const clients of options.clients) loads.push(await compare(one, many, clients, options));
    const memory = {
      oneBytes: await privateBytes(one.replica),
      manyBytes: await privateBytes(many.replica),
      againBytes: Number.NaN,
      adapterBytes,
    };
    for (const id of many.ids) await many.replica.engine.unloadLora!(id);
    for (const [i, path] of paths.entries()) await many.replica.engine.loadLora!({ id: many.ids[i]!, path });
    memory.againBytes = await privateBytes(many.replica);
    const eachBytes = (memory.manyBytes - memory.oneBytes) / (options.adapters - 1);
    print(options, loads, { ...memory, eachBytes });
    return {
      results: { loads, memory: { ...memory, eachBytes } },
      goals: [
        ...loads.map(
          ({ clients, ratio }): Goal => ({
            name: `${options.adapters} LoRAs: median latency against one, ${clients} at once`,
            value: ratio,
            limit: LIMIT,
            kind: "max",
            unit: "×",
          }),
        ),
        {
          name: `${options.adapters} LoRAs: memory of each against the base's weights`,
          value: eachBytes / (await stat(modelPath)).size,
          limit: 0.2,
          kind: "max",
          unit: "×",
        },
      ],
    };
  } finally {
    for (const { replica } of subjects) await replica.dispose();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Writes one file and copies it: equal content makes no difference to this benchmark. */
async function writeLoras(folder: string, modelPath: string, count: number): Promise<string[]> {
  const options = { shape: SMOLLM2_135M_SHAPE, targetModules: TARGETS, rank: 8 };
  const first = await writeLora(modelPath, join(folder, "adapter-0.gguf"), options);
  const paths = [first];
  for (let i = 1; i < count; i += 1) {
    paths.push(join(folder, `adapter-${i}.gguf`));
    await copyFile(first, paths[i]!);
  }
  return paths;
}

/** Runs rounds of the same load on both, alternating which goes first. */
async function compare(single: Subject, many: Subject, clients: number, options: LoraOptions) {
  const samples = { one: [] as number[], many: [] as number[] };
  const ratios: number[] = [];
  for (let round = -1; round < options.rounds; round += 1) {
    const [a, b] = round % 2 === 0 ? [single, many] : [many, single];
    const times = new Map([[a, await load(a, clients, options)]]);
    times.set(b, await load(b, clients, options));
    if (round < 0) continue;
    samples.one.push(...times.get(single)!);
    samples.many.push(...times.get(many)!);
    ratios.push(median(times.get(many)!) / median(times.get(single)!));
  }
  const figures = (values: number[]) => ({ ...summarize(values), p95: percentile(values, 0.95) });
  return { clients, one: figures(samples.one), many: figures(samples.many), ratio: median(ratios) };
}

let requestCount = 0;

/** Runs the load; resolves with the requests' latencies in milliseconds. */
async function load({ replica, ids }: Subject, clients: number, options: LoraOptions): Promise<number[]> {
  const timesMs: number[] = [];
  const client = async () => {
    for (let i = 0; i < options.requests; i += 1) {
      requestCount += 1;
      const words = Array.from({ length: options.promptTokens }, (_, k) => (requestCount * 31 + k * k) % 10);
      const request = textRequest(`${requestCount}: ${words.join(" ").slice(0, options.promptTokens)}`, {
        lora: ids[(requestCount * 7) % ids.length]!,
        maxTokens: options.outputTokens,
        ignoreEos: true,
      });
      const startMs = performance.now();
      for await (const _ of replica.engine.generate(request, never));
      timesMs.push(performance.now() - startMs);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return timesMs;
}

/** Anonymous memory of the process, which excludes the mapped model file. */
async function privateBytes({ child }: TestReplica): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, "utf8");
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

function print(
  options: LoraOptions,
  loads: readonly Awaited<ReturnType<typeof compare>>[],
  memory: Record<"oneBytes" | "manyBytes" | "againBytes" | "adapterBytes" | "eachBytes", number>,
): void {
  const ms = (value: number) => `${number(value)} ms`;
  printTable(
    `${options.adapters} LoRAs on one base, prompts of ${options.promptTokens}, outputs of ${options.outputTokens} tokens`,
    ["at once", "one: median", "p95", `${options.adapters}: median`, "p95", "ratio"],
    loads.map(({ clients, one, many, ratio }) => [
      String(clients),
      ms(one.median),
      ms(one.p95),
      ms(many.median),
      ms(many.p95),
      `${number(ratio)}×`,
    ]),
  );
  const mib = (bytes: number) => `${number(Math.round(bytes / 1024 ** 2))} MiB`;
  printTable(
    "Memory of the replica, without the model's file",
    [
      "with one",
      `with ${options.adapters}`,
      "all unloaded and loaded again",
      "an adapter's file",
      "memory of each",
    ],
    [
      [
        mib(memory.oneBytes),
        mib(memory.manyBytes),
        mib(memory.againBytes),
        mib(memory.adapterBytes),
        mib(memory.eachBytes),
      ],
    ],
  );
}
