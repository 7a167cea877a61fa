import { ConnectionError } from "@hearth/sdk";
import { expect, test } from "vitest";
import type { ResourceObject } from "../output/text.ts";
import type { Context } from "./context.ts";
import { DEPLOYMENT } from "./resources/deployments.ts";
import { waitFor } from "./wait.ts";

const AWAY = new ConnectionError("host can't be reached.");

/** Runs waitFor with these responses in order; the last one repeats. Time passes only in pauses. */
async function wait(answers: (ResourceObject | Error)[]) {
  let nowMs = 0;
  let shown = "";
  const processContext = {
    nowMs: () => nowMs,
    async pause(ms: number) {
      nowMs += ms;
    },
    signal: new AbortController().signal,
    stderr: {
      async write(text: string) {
        shown += text;
      },
    },
  };
  const context = { processContext, flags: new Map(), isQuiet: false } as unknown as Context;
  const get = async (): Promise<ResourceObject> => {
    const answer = (answers.length > 1 ? answers.shift() : answers[0]) as ResourceObject | Error;
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const result = await waitFor(context, DEPLOYMENT, "d", get).catch((error: unknown) => error);
  return { result, shown, nowMs };
}

test("waitFor survives a restart of the host", async () => {
  const ready = { name: "d", state: "READY" };
  const { result, shown } = await wait([{ name: "d", state: "CREATING" }, AWAY, AWAY, AWAY, ready]);
  expect(result).toBe(ready);
  expect(shown).toBe("d: CREATING\nd: the host says nothing at the moment\n");
});

test("waitFor fails a minute after the host's last response", async () => {
  const { result, nowMs } = await wait([AWAY]);
  expect(result).toBe(AWAY);
  expect(nowMs).toBeGreaterThanOrEqual(60_000);
});
