import { expect, it } from "vitest";
import type { EngineEvent } from "../engine/generation.ts";
import { MeteredIterator } from "./metered-iterator.ts";

async function* events(...all: EngineEvent[]): AsyncGenerator<EngineEvent> {
  yield* all;
}

const delta: EngineEvent = { type: "delta", choice: 0, text: "x" };
const end = (completionTokens: number): EngineEvent => ({
  type: "end",
  aborted: false,
  usage: { promptTokens: 7, cachedTokens: 3, completionTokens },
});

function setUp(...all: EngineEvent[]) {
  const meter = { requests: 0, generatedTokens: 0, promptTokens: 0 };
  const progress = { events: 0 };
  let ends = 0;
  const metered = new MeteredIterator(events(...all), { meter, progress, onEnd: () => ends++ });
  return { meter, progress, metered, ends: () => ends };
}

it("tokens are counted as deltas arrive, and exactly at the end", async () => {
  const { meter, metered } = setUp(delta, delta, end(5));
  await metered.next();
  expect(meter.generatedTokens).toBe(1);
  await metered.next();
  expect(meter.generatedTokens).toBe(2);
  await metered.next();
  expect(meter).toMatchObject({ generatedTokens: 5, promptTokens: 7 });
});

it("every event counts as progress", async () => {
  const { progress, metered } = setUp(delta, end(1));
  await metered.next();
  expect(progress.events).toBe(1);
  await metered.next();
  expect(progress.events).toBe(2);
});

it("onEnd is called once, however the generation ends", async () => {
  const whole = setUp(delta, end(1));
  await whole.metered.next();
  expect(whole.ends()).toBe(0);
  await whole.metered.next();
  expect(whole.ends()).toBe(1);
  await whole.metered.next();
  await whole.metered.return();
  expect(whole.ends()).toBe(1);

  const abandoned = setUp(delta, delta, end(2));
  await abandoned.metered.next();
  await abandoned.metered.return();
  await abandoned.metered.next();
  expect(abandoned.ends()).toBe(1);

  let ends = 0;
  const broken: AsyncIterator<EngineEvent> = { next: () => Promise.reject(new Error("gone")) };
  const metered = new MeteredIterator(broken, {
    meter: { requests: 0, generatedTokens: 0, promptTokens: 0 },
    progress: { events: 0 },
    onEnd: () => ends++,
  });
  await expect(metered.next()).rejects.toThrow("gone");
  await metered.return();
  expect(ends).toBe(1);
});
