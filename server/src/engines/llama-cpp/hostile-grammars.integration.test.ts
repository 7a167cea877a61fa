import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { collectGeneration } from "../../engine/contract.ts";
import { EngineError } from "../../engine/errors.ts";
import { HOSTILE_GRAMMARS } from "../../structured-output/gbnf/fixture-hostile-grammars.ts";
import { launchReplica, type TestReplica, textRequest } from "./testing.ts";

const never = new AbortController().signal;

describe("beside a hostile grammar", () => {
  let replica: TestReplica;
  /** Another account's streams, one after the other. */
  let streams: Promise<void>;
  let streamedTokens = 0;
  let isOver = false;

  beforeAll(async () => {
    const modelPath = process.env["HEARTH_TEST_MODEL"]!;
    replica = await launchReplica({ modelPath, slots: 2, contextSize: 1024, threads: 1 });
    streams = (async () => {
      while (!isOver) {
        const request = textRequest("Once upon a time", { maxTokens: 200, ignoreEos: true, cacheScope: "b" });
        await collectGeneration(replica.engine, request, never, (event) => {
          if (event.type === "delta") streamedTokens++;
        });
      }
    })();
    // Awaited by every test: a failure in between must not end the run.
    streams.catch(() => {});
  });
  afterAll(() => replica.dispose());

  // Sent to the engine without the check that the platform makes first: the engine alone must hold.
  it.each([...HOSTILE_GRAMMARS])("of %s another account's stream goes on", async (_, grammar) => {
    for (const sampling of [{ temperature: 0 }, { temperature: 1.5, seed: 1 }]) {
      const request = textRequest("aaaa aaaa", { grammar, sampling, maxTokens: 30, cacheScope: "a" });
      try {
        const { finishes } = await collectGeneration(replica.engine, request, never);
        expect(["stop", "length"]).toContain(finishes[0]);
      } catch (error) {
        expect(error).toBeInstanceOf(EngineError);
        expect(error).toMatchObject({ code: "invalid" });
      }
    }
    expect(replica.child.exitCode).toBeNull();
    const before = streamedTokens;
    const moreTokens = async () => {
      while (streamedTokens === before) await new Promise((resolve) => setImmediate(resolve));
    };
    await Promise.race([moreTokens(), streams.then(() => Promise.reject(new Error("the stream ended")))]);
  });

  it("all streams end as they should", async () => {
    isOver = true;
    await expect(streams).resolves.toBeUndefined();
  });
});
