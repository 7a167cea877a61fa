import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EngineEvent, TokenInfo } from "../../../engine/generation.ts";
import { FakeClock } from "../../../lib/clock.ts";
import type { GenerationEvent } from "../protocol.ts";
import type { Backend, Decoder, DecodeSpec, ScoreJob } from "./backend.ts";
import type { GenerationSpec } from "./generation.ts";
import { LoraRoundRobin } from "./lora-round-robin.ts";
import { PrefillChunkSizer } from "./prefill-chunk-sizer.ts";
import { Scheduler } from "./scheduler.ts";

const END = 0;

/** Text of token t is "t ". A prompt's last token says how many tokens follow before the end token. */
class FakeBackend implements Backend {
  readonly slots: number;
  readonly canCopy: boolean;
  readonly #held: number[][];
  /** The calls in order: `d0` decode in slot 0, `p1:64` 64 tokens of a prompt in slot 1, `a7` LoRA 7, `r0` wipe slot 0. */
  readonly calls: string[] = [];
  lora: number | null = null;
  /** The LoRA that each slot's state was computed with. */
  readonly #slotLoras: (number | null)[];
  readonly busy = new Set<number>();
  failNext: "prefill" | "decode" | "truncate" | null = null;
  copies = 0;
  onCall: (call: string) => void = () => {};

  constructor(slots: number, canCopy: boolean) {
    this.slots = slots;
    this.canCopy = canCopy;
    this.#held = Array.from({ length: slots }, () => []);
    this.#slotLoras = Array.from({ length: slots }, () => null);
  }

  cachedTokens(slot: number): readonly number[] {
    return this.#held[slot]!;
  }

  async truncate(slot: number, count: number): Promise<number> {
    this.#failIf("truncate");
    expect(this.busy.size, "slots are reassigned only between batches").toBe(0);
    this.#held[slot]!.length = Math.min(count, this.#held[slot]!.length);
    if (count === 0) this.#slotLoras[slot] = null;
    return this.#held[slot]!.length;
  }

  async copy(from: number, to: number, count: number): Promise<number> {
    expect(this.canCopy && from !== to && this.busy.size === 0).toBe(true);
    this.copies++;
    this.#held[to] = this.#held[from]!.slice(0, count);
    this.#slotLoras[to] = this.#slotLoras[from]!;
    return this.#held[to]!.length;
  }

  useLora(lora: number | null): boolean {
    expect(this.busy.size, "LoRAs change only between batches").toBe(0);
    if (lora === this.lora) return false;
    this.calls.push(`a${lora ?? ""}`);
    this.lora = lora;
    return true;
  }

  async wipe(slot: number): Promise<void> {
    this.calls.push(`r${slot}`);
    await this.truncate(slot, 0);
  }

  prefill(slot: number, tokens: readonly number[]): Promise<void> {
    this.#computeWith(slot);
    return this.#call(slot, `p${slot}:${tokens.length}`, () => {
      this.#failIf("prefill");
      this.#held[slot]!.push(...tokens);
    });
  }

  async score(slot: number, { tokens, next }: ScoreJob): Promise<TokenInfo[]> {
    await this.prefill(slot, tokens);
    return next.map((id) => ({ ...this.tokenInfo(id), logprob: -1 }));
  }

  tokenInfo(id: number): TokenInfo {
    return { id, bytes: new Uint8Array(), logprob: null, top: [] };
  }

  decode(slot: number, tokens: readonly number[], { prompt, loraKey }: DecodeSpec): Decoder {
    let left = prompt.at(-1)!;
    let next: readonly number[] = tokens;
    return {
      allFinite: true,
      next: () => {
        expect(this.lora).toBe(loraKey ?? null);
        this.#computeWith(slot);
        return this.#call(slot, tokens === next ? `p${slot}:${tokens.length}` : `d${slot}`, () => {
          this.#failIf("decode");
          this.#held[slot]!.push(...next);
          if (next === tokens) expect(this.#held[slot]).toEqual(prompt);
          const token = left-- > 0 ? 1000 + left : END;
          next = [token];
          return [{ token, ends: token === END }];
        });
      },
      end: () => {},
    };
  }

  specialText(): null {
    return null;
  }

  detokenize(tokens: readonly number[]): string {
    return tokens.map((t) => `${t} `).join("");
  }

  #computeWith(slot: number): void {
    if (this.#held[slot]!.length === 0) this.#slotLoras[slot] = this.lora;
    expect(this.#slotLoras[slot], "a slot's state is computed with one LoRA").toBe(this.lora);
  }

  async #call<T>(slot: number, call: string, compute: () => T): Promise<T> {
    expect(this.busy.has(slot), "a slot has at most one call running").toBe(false);
    this.busy.add(slot);
    this.calls.push(call);
    this.onCall(call);
    await new Promise((resolve) => setImmediate(resolve));
    this.busy.delete(slot);
    return compute();
  }

  #failIf(call: string): void {
    if (this.failNext !== call) return;
    this.failNext = null;
    throw new Error("requested by the test");
  }
}

function harness({ slots = 2, queueLimit = 100, canCopy = false } = {}) {
  const backend = new FakeBackend(slots, canCopy);
  const events: GenerationEvent[] = [];
  const scheduler = new Scheduler({
    backend,
    queueLimit,
    chunkSizer: new PrefillChunkSizer({ targetMs: 100, maxTokens: 256 }),
    loraRoundRobin: new LoraRoundRobin(100),
    clock: new FakeClock(),
    emit: (event) => events.push(event),
    yieldToEventLoop: () => new Promise((resolve) => setImmediate(resolve)),
  });
  const of = (id: number) => events.filter((e) => e.id === id).map((e) => e.event);
  const idle = () => until(() => scheduler.active === 0);
  return { backend, scheduler, events, of, idle };
}

/** @param follow tokens the model makes before it ends. */
function spec(
  id: number,
  promptTokens: number,
  follow: number,
  overrides: Partial<GenerationSpec> = {},
): GenerationSpec {
  const prompt = Array.from({ length: promptTokens }, (_, i) =>
    i === promptTokens - 1 ? follow : id * 7 + 1,
  );
  return { id, prompt, sampling: {}, n: 1, maxTokens: 1000, stop: [], stream: true, ...overrides };
}

const text = (events: readonly GenerationEvent["event"][]) =>
  events.map((e) => (e.type === "delta" ? e.text : "")).join("");

describe("the scheduler", () => {
  it("advances a running stream between any two chunks of other prompts", async () => {
    const { backend, scheduler, idle } = harness({ slots: 3 });
    scheduler.submit(spec(1, 4, 60));
    await until(() => backend.calls.includes("d0"));
    scheduler.submit(spec(2, 3000, 1));
    scheduler.submit(spec(3, 3000, 1));
    await until(() => backend.calls.filter((c) => c.startsWith("p")).length > 20);
    const log = backend.calls.slice(backend.calls.findIndex((c) => c.startsWith("p1")));
    const slices = log.filter((c) => c.startsWith("p")).length;
    const beside = log.join(" ").match(/p\S+ p\S+/g);
    expect(slices).toBeGreaterThan(10);
    expect(beside, "two chunks without a token of the stream between them").toBeNull();
    scheduler.abort(1);
    scheduler.abort(2);
    scheduler.abort(3);
    await idle();
  });

  it("computes a short prompt before long ones, and still advances the oldest long one", async () => {
    const { backend, scheduler, idle, of } = harness({ slots: 3 });
    scheduler.submit(spec(1, 2560, 0));
    scheduler.submit(spec(2, 2560, 0));
    await until(() => backend.calls.length > 2);
    const before = backend.calls.length;
    scheduler.submit(spec(3, 100, 0));
    await until(() => of(3).length > 0);
    expect(backend.calls.length - before).toBeLessThanOrEqual(5);
    await idle();
  });

  it("computes all streams in every step, so that they share a batch", async () => {
    const { backend, scheduler, idle } = harness({ slots: 4 });
    let most = 0;
    backend.onCall = () => {
      most = Math.max(most, backend.busy.size);
    };
    for (let id = 1; id <= 4; id++) scheduler.submit(spec(id, 3, 20));
    await idle();
    expect(most).toBe(4);
    const log = backend.calls.filter((c) => c.startsWith("d")).slice(6, 14);
    expect(new Set(log.slice(0, 4)).size).toBe(4);
    expect(new Set(log.slice(4, 8)).size).toBe(4);
  });

  it("ends an aborted prompt after the chunk that is being computed", async () => {
    const { backend, scheduler, of, idle } = harness();
    scheduler.submit(spec(1, 3000, 5));
    await until(() => backend.calls.length === 3);
    scheduler.abort(1);
    await idle();
    expect(backend.calls.length).toBe(3);
    expect(of(1)).toEqual([
      { type: "end", usage: { promptTokens: 3000, cachedTokens: 0, completionTokens: 0 }, aborted: true },
    ]);
  });

  it("ends an aborted request that still waits without computing anything for it", async () => {
    const { backend, scheduler, of, idle } = harness({ slots: 1 });
    scheduler.submit(spec(1, 3, 30));
    scheduler.submit(spec(2, 3, 30));
    await until(() => backend.calls.length > 3);
    scheduler.abort(2);
    await until(() => of(2).length > 0);
    expect(of(2)).toMatchObject([{ type: "end", aborted: true, usage: { completionTokens: 0 } }]);
    expect(scheduler.active).toBe(1);
    await idle();
  });

  it("serves low priority last, and when no other request waits", async () => {
    const { scheduler, events, idle } = harness({ slots: 1 });
    scheduler.submit(spec(1, 3, 3));
    scheduler.submit(spec(2, 3, 3, { priority: "low" }));
    scheduler.submit(spec(3, 3, 3));
    scheduler.submit(spec(4, 3, 3));
    await idle();
    const ended = events.filter(({ event }) => event.type === "end").map(({ id }) => id);
    expect(ended).toEqual([1, 3, 4, 2]);
  });

  it("refuses a request when the queue is full, and accepts one again when it has room", async () => {
    const { scheduler, idle } = harness({ slots: 1, queueLimit: 2 });
    for (let id = 1; id <= 3; id++) scheduler.submit(spec(id, 3, 3));
    expect(() => scheduler.submit(spec(4, 3, 3))).toThrow(expect.objectContaining({ code: "overloaded" }));
    await idle();
    scheduler.submit(spec(5, 3, 3));
    await idle();
  });

  it("doesn't let a request with many choices block the others", async () => {
    const { scheduler, idle, events } = harness({ slots: 2 });
    scheduler.submit(spec(1, 3, 4, { n: 12 }));
    scheduler.submit(spec(2, 3, 4));
    await idle();
    const ends = events.filter((e) => e.event.type === "end").map((e) => e.id);
    expect(ends).toEqual([2, 1]);
  });

  it("reuses a slot's state and reports the reuse of the choice that reused least", async () => {
    const { scheduler, idle, of } = harness({ slots: 2 });
    scheduler.submit(spec(1, 50, 3));
    await idle();
    scheduler.submit({ ...spec(1, 50, 3), id: 2 });
    await idle();
    expect(of(2).at(-1)).toMatchObject({ usage: { promptTokens: 50, cachedTokens: 49 } });
    scheduler.submit({ ...spec(1, 50, 3, { n: 2 }), id: 3 });
    await idle();
    expect(of(3).at(-1)).toMatchObject({ usage: { promptTokens: 50, cachedTokens: 0, completionTokens: 8 } });
  });

  it("computes a prompt once for all choices, and for other prompts that begin with it", async () => {
    const { backend, scheduler, idle, of } = harness({ slots: 4, canCopy: true });
    scheduler.submit(spec(1, 1000, 3, { n: 3 }));
    scheduler.submit({ ...spec(1, 1000, 4), id: 2 });
    await idle();
    const computed = backend.calls.map((call) => Number(call.split(":")[1] ?? 0)).reduce((a, b) => a + b);
    expect(computed).toBe(1003);
    expect(backend.copies).toBe(3);
    expect(of(1).at(-1)).toMatchObject({ usage: { cachedTokens: 0, completionTokens: 12 } });
    expect(of(2).at(-1)).toMatchObject({ usage: { cachedTokens: 999 } });
  });

  it("computes a prompt itself when the request that was computing it is aborted", async () => {
    const { backend, scheduler, idle, of } = harness({ slots: 2, canCopy: true });
    scheduler.submit(spec(1, 1000, 3));
    scheduler.submit({ ...spec(1, 1000, 3), id: 2 });
    await until(() => backend.calls.length === 4);
    scheduler.abort(1);
    await idle();
    expect(of(1).at(-1)).toMatchObject({ aborted: true });
    expect(of(2).at(-1)).toMatchObject({ aborted: false, usage: { completionTokens: 4 } });
  });

  it.each(["prefill", "decode", "truncate"] as const)(
    "fails only the request whose %s fails, and reuses nothing of its slot",
    async (call) => {
      const { backend, scheduler, idle, of } = harness({ slots: 1 });
      backend.failNext = call;
      scheduler.submit(spec(1, 200, 3));
      await idle();
      expect(of(1)).toMatchObject([{ type: "error", code: "internal" }]);
      scheduler.submit({ ...spec(1, 200, 3), id: 2 });
      await idle();
      expect(of(2).at(-1)).toMatchObject({ type: "end", aborted: false, usage: { cachedTokens: 0 } });
    },
  );

  it("computes the streams of one LoRA together, and gives each LoRA its turn", async () => {
    const { backend, scheduler, idle } = harness({ slots: 6 });
    [1, 2, 3, 1, 2, undefined].forEach((loraKey, i) => {
      scheduler.submit(spec(i + 1, 3, 200, loraKey === undefined ? {} : { loraKey }));
    });
    const sinceAllRun = () => backend.calls.slice(backend.calls.findLastIndex((c) => c.startsWith("p")));
    await until(() => sinceAllRun().length > 250);
    const log = sinceAllRun();
    const order = log.filter((c) => c.startsWith("a"));
    expect(order.length).toBeGreaterThan(8);
    for (let i = 0; i + 4 <= order.length; i++) {
      expect(new Set(order.slice(i, i + 4)).size, "no LoRA has a second turn before each had one").toBe(4);
    }
    expect(log.join(" ")).toMatch(/d0 d3|d3 d0/);
    expect(log.join(" ")).toMatch(/d1 d4|d4 d1/);
    await idle();
  });

  it("reuses nothing that another LoRA computed, and first overwrites state that may be NaN", async () => {
    const { backend, scheduler, idle, of } = harness({ slots: 1 });
    scheduler.submit(spec(1, 300, 3, { loraKey: 7 }));
    await idle();
    scheduler.submit({ ...spec(1, 300, 3), id: 2 });
    await idle();
    expect(of(2).at(-1)).toMatchObject({ usage: { cachedTokens: 0 } });
    expect(backend.calls.filter((c) => c.startsWith("r"))).toEqual([]);
    // Aborted within its prompt, before any logits were checked: the state may hold NaN.
    backend.onCall = (call) => {
      if (call.startsWith("p0")) scheduler.abort(3);
    };
    scheduler.submit({ ...spec(1, 900, 3, { loraKey: 7 }), id: 3 });
    await idle();
    backend.onCall = () => {};
    scheduler.submit({ ...spec(1, 900, 3, { loraKey: 7 }), id: 4 });
    await idle();
    expect(backend.calls.filter((c) => c.startsWith("r"))).toEqual(["r0"]);
    expect(of(4).at(-1)).toMatchObject({ usage: { cachedTokens: 0 } });
  });

  it("runs other work between two steps, also when nothing is scheduled", async () => {
    const { backend, scheduler, idle } = harness();
    const work = async () => {
      expect(backend.busy.size).toBe(0);
      return 5;
    };
    expect(await scheduler.runBetweenSteps(work)).toBe(5);
    scheduler.submit(spec(1, 300, 20));
    await until(() => backend.calls.length > 3);
    expect(await Promise.all([scheduler.runBetweenSteps(work), scheduler.runBetweenSteps(work)])).toEqual([
      5, 5,
    ]);
    await expect(scheduler.runBetweenSteps(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
    await idle();
  });

  it("gives every request its own complete text in order, whatever else is requested and aborted at the same time", async () => {
    const request = fc.record({
      promptTokens: fc.integer({ min: 1, max: 300 }),
      follow: fc.integer({ min: 0, max: 12 }),
      maxTokens: fc.integer({ min: 0, max: 15 }),
      n: fc.integer({ min: 1, max: 3 }),
      stream: fc.boolean(),
      abortAfter: fc.option(fc.integer({ min: 0, max: 20 })),
      seeded: fc.boolean(),
      loraKey: fc.constantFrom(undefined, undefined, 1, 2, 3),
    });
    const requestLists = fc.array(request, { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(
        requestLists,
        fc.integer({ min: 1, max: 4 }),
        fc.boolean(),
        async (requests, slots, canCopy) => {
          const { backend, scheduler, of, idle } = harness({ slots, canCopy });
          requests.forEach((r, i) => {
            const sampling = r.seeded ? { seed: 1 } : {};
            const { maxTokens, n, stream } = r;
            const lora = r.loraKey === undefined ? {} : { loraKey: r.loraKey };
            // Half of the prompts share their beginning.
            const request = spec(i % 2, r.promptTokens, r.follow, {
              maxTokens,
              n,
              stream,
              sampling,
              ...lora,
            });
            scheduler.submit({ ...request, id: i + 1 });
          });
          backend.onCall = () =>
            requests.forEach((r, i) => {
              if (r.abortAfter !== null && backend.calls.length >= r.abortAfter) scheduler.abort(i + 1);
            });
          await idle();
          requests.forEach((r, i) => {
            checkEvents(of(i + 1), r, r.abortAfter !== null);
          });
        },
      ),
      { numRuns: 150 },
    );
  });
});

function checkEvents(
  events: readonly GenerationEvent["event"][],
  r: { follow: number; maxTokens: number; n: number; promptTokens: number },
  mayAbort: boolean,
): void {
  const end = events.at(-1) as EngineEvent & { type: "end" };
  expect(events.filter((e) => e.type === "end")).toEqual([end]);
  if (!mayAbort) expect(end.aborted).toBe(false);
  const expected = Array.from(
    { length: Math.min(r.follow, r.maxTokens) },
    (_, k) => `${999 + r.follow - k} `,
  );
  for (let choice = 0; choice < r.n; choice++) {
    const choiceEvents = events.filter((e) => "choice" in e && e.choice === choice);
    const finish = choiceEvents.find((e) => e.type === "finish");
    if (finish === undefined) {
      expect(end.aborted).toBe(true);
      expect(expected.join("").startsWith(text(choiceEvents))).toBe(true);
      continue;
    }
    expect(choiceEvents.at(-1)).toBe(finish);
    expect(text(choiceEvents)).toBe(expected.join(""));
    expect(finish.reason).toBe(r.follow < r.maxTokens ? "stop" : "length");
  }
  if (!end.aborted) {
    expect(end.usage.completionTokens).toBe(r.n * Math.min(r.follow + 1, r.maxTokens));
    expect(end.usage.promptTokens).toBe(r.promptTokens);
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100_000; turn++) {
    if (condition()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error("the condition never became true");
}
