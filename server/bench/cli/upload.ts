/** Uploads of a model by firectl, compared with the same requests made by hand and `curl -T` for the weights. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Hearth, startHearth } from "../hearth.ts";
import { type Goal, number, printTable } from "../report.ts";
import { median } from "../stats.ts";
import { writeLargeModel } from "./model-files.ts";
import { firectl, requireSuccess, runToEnd } from "./program.ts";

export interface UploadOptions {
  /** Size of the weights file. */
  sizeBytes: number;
  rounds: number;
}

const ACCOUNT = "local";

export async function measureUpload(
  { sizeBytes, rounds }: UploadOptions,
  home: string,
): Promise<{ results: unknown; goals: Goal[] }> {
  const goal = (value: number | null): Goal => ({
    name: `upload of ${number(sizeBytes / 1e6)} MB by firectl / by curl -T`,
    value,
    limit: 1.3,
    kind: "max",
    unit: "×",
  });
  const hasCurl = await runToEnd("curl", ["--version"]).then(
    () => true,
    () => false,
  );
  if (!hasCurl) return { results: null, goals: [goal(null)] };
  const folder = join(home, "model");
  await writeLargeModel(folder, sizeBytes);
  const hearth = await startHearth({ core: null });
  const times = { firectl: [] as number[], curl: [] as number[] };
  try {
    // Round −1 is the warm-up. The order alternates from round to round.
    for (let round = -1; round < rounds; round += 1) {
      const measures = [
        ["firectl", byFirectl],
        ["curl", byCurl],
      ] as const;
      for (const [name, upload] of round % 2 === 0 ? measures : measures.toReversed()) {
        const startMs = performance.now();
        await upload(hearth, folder, `by-${name}-${round + 1}`, home);
        if (round >= 0) times[name].push(performance.now() - startMs);
        await call(hearth, "DELETE", `/by-${name}-${round + 1}`);
      }
    }
  } finally {
    await hearth.dispose();
  }
  const [byFirectlMs, byCurlMs] = [median(times.firectl), median(times.curl)];
  const speed = (ms: number): string => number(sizeBytes / 1e6 / (ms / 1000));
  printTable(
    `A model of ${number(sizeBytes / 1e6)} MB, made, uploaded and checked`,
    ["by", "s", "MB/s"],
    [
      ["firectl create model", number(byFirectlMs / 1000), speed(byFirectlMs)],
      ["curl -T and the same requests", number(byCurlMs / 1000), speed(byCurlMs)],
    ],
  );
  return { results: times, goals: [goal(byFirectlMs / byCurlMs)] };
}

async function byFirectl({ port, apiKey }: Hearth, folder: string, id: string, home: string): Promise<void> {
  const env = { FIREWORKS_API_BASE: `http://127.0.0.1:${port}`, FIREWORKS_API_KEY: apiKey };
  requireSuccess(await firectl(["create", "model", id, folder, "--quiet"], home, env));
}

async function byCurl(hearth: Hearth, folder: string, modelId: string): Promise<void> {
  await call(hearth, "POST", "", { modelId, model: { kind: "HF_BASE_MODEL" } });
  const names = await readdir(folder);
  const sizes = await Promise.all(
    names.map(async (name) => [name, String((await stat(join(folder, name))).size)]),
  );
  const request = { filenameToSize: Object.fromEntries(sizes), enableResumableUpload: true };
  const { filenameToSignedUrls } = await call(hearth, "POST", `/${modelId}:getUploadEndpoint`, request);
  for (const name of names) {
    const url = (filenameToSignedUrls as Record<string, string>)[name] as string;
    if (name.endsWith(".safetensors")) {
      requireSuccess(
        await runToEnd("curl", ["--silent", "--show-error", "--fail", "-T", join(folder, name), url]),
      );
    } else await fetch(url, { method: "PUT", body: await readFile(join(folder, name)) });
  }
  await call(hearth, "GET", `/${modelId}:validateUpload`);
}

async function call(
  { port, apiKey }: Hearth,
  method: string,
  path: string,
  body?: object,
): Promise<Record<string, unknown>> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/accounts/${ACCOUNT}/models${path}`, {
    method,
    headers: {
      authorization: `Bearer ${apiKey}`,
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (!response.ok)
    throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as Record<string, unknown>;
}
