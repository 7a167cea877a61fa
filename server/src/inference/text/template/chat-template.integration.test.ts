import { describe, expect, test } from "vitest";
import type { TemplateMessage } from "../tools/template-messages.ts";
import { createChatTemplate } from "./chat-template.ts";

const PLAIN = "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>";
const messages = [{ role: "user", content: "{{ 1 + 1 }}" }] as unknown as TemplateMessage[];

const render = (source: string, variables: Record<string, unknown> = {}): Promise<string> =>
  createChatTemplate(source, "<s>", "</s>").render(messages, variables);

describe("a chat template", () => {
  test("renders messages as values and never interprets their text as a template", async () => {
    expect(await render(PLAIN)).toBe("<s><user>{{ 1 + 1 }}<assistant>");
  });

  test("sees the variables of the request", async () => {
    expect(await render("{{ tools | length }}{{ mode }}", { tools: [1, 2], mode: "x" })).toBe("2x");
  });

  test("knows the time and the date", async () => {
    const text = await render("{{ datetime }}|{{ strftime_now('%Y') }}");
    expect(text).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\|\d{4}$/);
  });

  test.each([
    [
      "raises",
      "{{ raise_exception('Only ' ~ 'user') }}",
      "BAD_REQUEST",
      /refuses these messages: Only user$/,
    ],
    ["fails", "{{ gone.by }}", "BAD_REQUEST", /does not accept these messages: 'gone' is undefined$/],
    ["is broken", "{% for %}", "BAD_REQUEST", /not valid Jinja .*use completions/],
    [
      "shows too much",
      "{% set ns = namespace(s='0123456789') %}{% for i in range(20) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
      "BAD_REQUEST",
      /too long/,
    ],
  ])("that %s refuses the request, not the server", async (_what, source, code, message) => {
    await expect(render(source)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test("that never ends is aborted, and others render meanwhile and afterwards", async () => {
    const endless = createChatTemplate(
      "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
      "",
      "",
    );
    const first = endless.render(messages, {});
    await expect(first).rejects.toMatchObject({ code: "BAD_REQUEST", param: "messages" });
    // From now on a process of its own renders it.
    let isOver = false;
    const second = endless.render(messages, {}).finally(() => {
      isOver = true;
    });
    expect(await render(PLAIN)).toContain("<assistant>");
    expect(isOver).toBe(false);
    await expect(second).rejects.toMatchObject({ code: "BAD_REQUEST", param: "messages" });
  });

  test.each([
    [
      "a nesting",
      `{% set ns = namespace(a=[1]) %}${"{% set ns.a = [ns.a, ns.a] %}".repeat(60)}{{ ns.a | tojson }}`,
    ],
    [
      "the parts of a text",
      "{% set ns = namespace(s='a,b,c,d,e,') %}{% for i in range(25) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s.split(',') | length }}",
    ],
    [
      "a text",
      "{% set ns = namespace(s='aaaaaaaaaa') %}{% for i in range(22) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s | replace('a', 'bbbbbbbbbbbbbbbbbbbb') | length }}",
    ],
    ["a list", "{{ (range(20000000) | sort) | length }}"],
  ])("that grows %s without end is aborted", async (_what, bomb) => {
    await expect(render(bomb)).rejects.toMatchObject({ code: "BAD_REQUEST", param: "messages" });
    expect(await render(PLAIN)).toContain("<assistant>");
  });
});
