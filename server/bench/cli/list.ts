/** Peak memory for listing many resources, compared with listing few. */
import http from "node:http";
import type { AddressInfo } from "node:net";
import { type Goal, number, printTable } from "../report.ts";
import { firectl, requireSuccess } from "./program.ts";

export interface ListOptions {
  models: number;
}

/** Makes a list item about as large as the platform's description of a model. */
const DESCRIPTION = "x".repeat(2_000);

export async function measureList(
  { models }: ListOptions,
  home: string,
): Promise<{ results: unknown; goals: Goal[] }> {
  // Enough for node's own heap to reach its usual size.
  const fewModels = models / 4;
  const few = await peakOf(fewModels, home);
  const many = await peakOf(models, home);
  printTable(
    "firectl list models --no-paginate -o json",
    ["models", "memory at most, MB"],
    [
      [number(fewModels), number(few / 1e6)],
      [number(models), number(many / 1e6)],
    ],
  );
  const goal: Goal = {
    name: `memory to list ${number(models)} models / to list ${number(fewModels)}`,
    value: many / few,
    limit: 1.5,
    kind: "max",
    unit: "×",
  };
  return { results: { fewBytes: few, manyBytes: many }, goals: [goal] };
}

async function peakOf(count: number, home: string): Promise<number> {
  const host = http.createServer((request, response) => {
    const query = new URL(request.url ?? "/", "http://host").searchParams;
    const start = Number(query.get("pageToken") ?? 0);
    const end = Math.min(count, start + Number(query.get("pageSize")));
    const page = Array.from({ length: end - start }, (_, i) => ({
      name: `accounts/bench/models/m-${start + i}`,
      description: DESCRIPTION,
    }));
    response.setHeader("content-type", "application/json");
    response.end(
      JSON.stringify({ models: page, nextPageToken: end < count ? String(end) : "", totalSize: count }),
    );
  });
  await new Promise<void>((resolve) => host.listen(0, "127.0.0.1", resolve));
  try {
    const ended = await firectl(["list", "models", "--no-paginate", "-o", "json"], home, {
      FIREWORKS_API_BASE: `http://127.0.0.1:${(host.address() as AddressInfo).port}`,
      FIREWORKS_API_KEY: "fw_bench",
      FIREWORKS_ACCOUNT_ID: "bench",
    });
    requireSuccess(ended);
    return ended.rssBytes;
  } finally {
    host.closeAllConnections();
    host.close();
  }
}
