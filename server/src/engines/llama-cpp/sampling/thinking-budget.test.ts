import { describe, expect, it } from "vitest";
import { ThinkingBudget } from "./thinking-budget.ts";

/** Every character is a token, and each string of `longTokens` is one more. */
function setUp(
  options: {
    opened?: boolean;
    maxTokens?: number;
    constrained?: boolean;
    longTokens?: string[];
    open?: string;
  } = {},
) {
  const { opened = true, maxTokens = 5, constrained = false, longTokens = [], open = "<t>" } = options;
  const text = (token: number) => longTokens[token - 0x110000] ?? String.fromCodePoint(token);
  const encode = (value: string) => [...value].map((c) => c.codePointAt(0)!);
  const thinking = new ThinkingBudget({
    block: { open, close: "</t>", opened, maxTokens },
    constrained,
    bytes: (token) => Buffer.from(text(token)),
    encode,
  });
  /** Feeds a text and the forced tokens. Returns the whole output. */
  const write = (value: string): string => {
    let written = "";
    let queue = [...thinking.initialTokens()];
    const rest = encode(value);
    while (queue.length > 0 || rest.length > 0) {
      const token = queue.shift() ?? rest.shift()!;
      written += text(token);
      const follow = thinking.onToken(token);
      if (follow.length > 0) queue = [...follow];
    }
    return written;
  };
  return { thinking, write, encode, token: (i: number) => 0x110000 + i };
}

describe("a think block", () => {
  it("is closed after its budget, and the text after it is unchanged", () => {
    expect(setUp().write("abcdefgh")).toBe("abcde</t>fgh");
    expect(setUp({ maxTokens: 0 }).write("abc")).toBe("</t>abc");
  });

  it("that ends in time is unchanged, also when the budget ends within the tag", () => {
    expect(setUp().write("a</t>bcdefgh")).toBe("a</t>bcdefgh");
    expect(setUp({ maxTokens: 6 }).write("ab</t>cdefgh")).toBe("ab</t>cdefgh");
    expect(setUp({ maxTokens: 3 }).write("ab<def")).toBe("ab<</t>def");
  });

  it("counts from the opening tag, over several blocks together", () => {
    expect(setUp({ opened: false }).write("abcdefg<t>abcdefg")).toBe("abcdefg<t>abcde</t>fg");
    expect(setUp({ opened: false, maxTokens: 7 }).write("<t>a</t>b<t>cdefg")).toBe("<t>a</t>b<t>cd</t>efg");
  });

  it("has constrained text before and after it, and none within", () => {
    const { thinking, write } = setUp({ opened: false });
    expect(thinking.outsideBlock).toBe(true);
    write("<t>a");
    expect(thinking.outsideBlock).toBe(false);
    write("</t>");
    expect(thinking.outsideBlock).toBe(true);
  });

  it("may have tags outside ASCII", () => {
    expect(setUp({ open: "◁t▷", opened: false }).write("◁t▷abcdefg")).toBe("◁t▷abcde</t>fg");
  });
});

describe("a think block before constrained text", () => {
  it("is the only one: tags within the constrained text mean nothing", () => {
    const { thinking, write } = setUp({ constrained: true });
    expect(write('a</t>{"<t>":"abcdefghijk"}')).toBe('a</t>{"<t>":"abcdefghijk"}');
    expect(thinking.outsideBlock).toBe(true);
  });

  it("is opened or ruled out by the first token", () => {
    const outcome = (i: number) => {
      const { thinking, token, encode } = setUp({
        constrained: true,
        opened: false,
        longTokens: ["<t>", "\n<t>x", "<t", "{", " ", "<b>"],
      });
      expect(thinking.outsideBlock).toBe(false);
      const replacement = thinking.replacementFor(token(i), false);
      if (replacement?.length) expect(replacement).toEqual(encode("<t>"));
      return replacement === null
        ? "opens the block"
        : replacement.length > 0
          ? "is forced to open the block"
          : "belongs to the text";
    };
    expect([0, 1, 2, 3, 4, 5].map(outcome)).toEqual([
      "opens the block",
      "opens the block",
      "is forced to open the block",
      "belongs to the text",
      "belongs to the text",
      "belongs to the text",
    ]);
  });

  it("ends with its tag where the model would end the output, or go on within the tag's last token", () => {
    const { thinking, write, token, encode } = setUp({ constrained: true, longTokens: [">{", ">\n"] });
    expect(thinking.replacementFor(encode("x")[0]!, true)).toEqual(encode("</t>"));
    write("a</t");
    expect(thinking.replacementFor(token(0), false)).toEqual(encode(">"));
    expect(thinking.replacementFor(token(1), false)).toBeNull();
  });
});
