import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TemplateMessage } from "../text/tools/template-messages.ts";
import { renderSafely } from "./safe-tokenization.ts";

const chatml = async (messages: readonly TemplateMessage[]): Promise<string> =>
  messages.map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`).join("");

describe("safe rendering", () => {
  it("gives the ordinary prompt, and ranges that are exactly the messages' texts", async () => {
    const message = fc.record({ role: fc.constantFrom("user", "assistant"), content: fc.string() });
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 6 }), async (messages) => {
        const { text, plain } = await renderSafely(messages, chatml);
        expect(text).toBe(await chatml(messages));
        expect(plain.map(([start, end]) => text.slice(start, end))).toEqual(
          messages.map(({ content }) => content),
        );
      }),
    );
  });

  it("gives no range for a message that the template leaves out", async () => {
    const messages = [
      { role: "user", content: "a" },
      { role: "user", content: "b" },
    ];
    const { text, plain } = await renderSafely(messages, async ([, second]) => `<${second?.content}>`);
    expect(text).toBe("<b>");
    expect(plain).toEqual([[1, 2]]);
  });

  it("refuses a template that changes the order of messages", async () => {
    const messages = [
      { role: "user", content: "a" },
      { role: "user", content: "b" },
    ];
    await expect(renderSafely(messages, (marked) => chatml([...marked].reverse()))).rejects.toThrow(/order/);
  });
});
