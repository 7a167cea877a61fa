/** Many requests at once: how each is answered, and how much memory they cost the server. */
import type { Hearth } from "../hearth.ts";
import { usageOfTree } from "../processes.ts";
import { type Goal, number, printTable } from "../report.ts";
import { type Completion, complete } from "./client.ts";

const MAX_TOKENS = 8;

export async function runBurst(
  hearth: Hearth,
  requests: number,
): Promise<{ results: unknown; goals: Goal[] }> {
  const before = usageOfTree(hearth.process);
  let peakBytes = 0;
  const watch = setInterval(() => {
    peakBytes = Math.max(peakBytes, usageOfTree(hearth.process).rssBytes);
  }, 200);
  const startMs = performance.now();
  const outcomes = await Promise.allSettled(
    Array.from({ length: requests }, (_, i) =>
      complete(hearth, {
        prompt: `Guest ${i} says: one two three four`,
        maxTokens: MAX_TOKENS,
        stream: false,
      }),
    ),
  );
  const seconds = (performance.now() - startMs) / 1000;
  clearInterval(watch);
  const after = usageOfTree(hearth.process);
  const answered = outcomes
    .filter((outcome) => outcome.status === "fulfilled")
    .map((outcome) => outcome.value);
  const with_ = (status: number) => answered.filter((response) => response.status === status);
  const refused = [...with_(429), ...with_(503)];
  const counts = {
    ok: with_(200).length,
    "429": with_(429).length,
    "503": with_(503).length,
    lost: requests - with_(200).length - refused.length,
    withoutRetryAfter: refused.filter((response: Completion) => response.retryAfter === null).length,
    seconds,
    rssMiBBefore: mebibytes(before.rssBytes),
    rssMiBPeak: mebibytes(Math.max(peakBytes, after.rssBytes)),
    rssMiBAfter: mebibytes(after.rssBytes),
  };
  printTable(`Burst of ${requests} requests`, Object.keys(counts), [Object.values(counts).map(number)]);
  return {
    results: counts,
    goals: [
      { name: "burst: requests lost", value: counts.lost, limit: 0, kind: "max", unit: "requests" },
      {
        name: "burst: refusals without retry-after",
        value: counts.withoutRetryAfter,
        limit: 0,
        kind: "max",
        unit: "requests",
      },
      {
        name: "burst: memory grown afterwards",
        value: counts.rssMiBAfter - counts.rssMiBBefore,
        limit: 256,
        kind: "max",
        unit: "MiB",
      },
    ],
  };
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 1024 ** 2);
}
