import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ChatMessage } from "../../engine/chat.ts";
import { dropOldestMessages } from "./truncate.ts";

const count = async (messages: readonly ChatMessage[]): Promise<number> =>
  messages.reduce((sum, { content }) => sum + content.length, 0);

const say = (role: string, content: string): ChatMessage => ({ role, content });
const dialogue = [
  say("system", "ss"),
  say("user", "aaaa"),
  say("assistant", "bbbb"),
  say("user", "cccc"),
  say("assistant", "dddd"),
  say("user", "eeee"),
];

describe("dropping the oldest messages", () => {
  it.each([
    [22, "ss aaaa bbbb cccc dddd eeee"],
    [21, "ss cccc dddd eeee"],
    [14, "ss cccc dddd eeee"],
    [13, "ss eeee"],
    [1, "ss eeee"],
  ])("to %i tokens leaves %j", async (limit, left) => {
    const kept = await dropOldestMessages(dialogue, limit, count);
    expect(kept.map(({ content }) => content).join(" ")).toBe(left);
  });

  it("keeps the last message and leading system messages, even beyond the limit", async () => {
    for (const messages of [[say("user", "aaaa")], [say("system", "s"), say("system", "t")]]) {
      expect(await dropOldestMessages(messages, 1, count)).toEqual(messages);
    }
  });

  it("keeps the longest end of the dialogue that fits and begins with a user's message", async () => {
    const role = fc.constantFrom("user", "assistant");
    const message = fc.tuple(role, fc.string({ minLength: 1, maxLength: 9 }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(message, { minLength: 1, maxLength: 12 }),
        fc.nat(60),
        async (turns, limit) => {
          const messages = turns.map(([who, text]) => say(who, text));
          const kept = await dropOldestMessages(messages, limit, count);
          const begin = messages.length - kept.length;
          expect(kept).toEqual(messages.slice(begin));
          if (begin === 0) return;
          expect(await count(messages)).toBeGreaterThan(limit);
          expect(kept.length === 1 || kept[0]?.role === "user").toBe(true);
          if (kept.length > 1) expect(await count(kept)).toBeLessThanOrEqual(limit);
          for (let longer = 1; longer < begin; longer++) {
            if (messages[longer]?.role === "user")
              expect(await count(messages.slice(longer))).toBeGreaterThan(limit);
          }
        },
      ),
    );
  });
});
