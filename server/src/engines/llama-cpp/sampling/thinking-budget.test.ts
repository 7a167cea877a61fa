import { describe, expect, it } from "vitest";
import { ThinkingBudget } from "./thinking-budget.ts";

/** Every character is a token, but for `more`, which are one each. */
function setUp(
  options: {
    opened?: boolean;
    maxTokens?: number;
    constrained?: boolean;
    more?: string[];
    open?: string;
  } = {},
) {
  const { opened = true, maxTokens = 5, constrained = false, more = [], open = "<t>" } = options;
  const text = (token: number) => more[token - 0x110000] ?? String.fromCodePoint(token);
  const encode = (value: string) => [...value].map((c) => c.codePointAt(0)!);
  const thinking = new ThinkingBudget({
    block: { open, close: "</t>", opened, maxTokens },
    constrained,
    bytes: (token) => Buffer.from(text(token)),
    encode,
  });
  /** Feeds a text, then what is forced; gives all. */
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
  it("is closed after its budget, and what follows is left alone", () => {
    expect(setUp().write("abcdefgh")).toBe("abcde</t>fgh");
    expect(setUp({ maxTokens: 0 }).write("abc")).toBe("</t>abc");
  });

  it("that ends in time is not touched, also when the budget ends within the tag", () => {
    expect(setUp().write("a</t>bcdefgh")).toBe("a</t>bcdefgh");
    expect(setUp({ maxTokens: 6 }).write("ab</t>cdefgh")).toBe("ab</t>cdefgh");
    expect(setUp({ maxTokens: 3 }).write("ab<def")).toBe("ab<</t>def");
  });

  it("counts from where the text opens it, over several blocks together", () => {
    expect(setUp({ opened: false }).write("abcdefg<t>abcdefg")).toBe("abcdefg<t>abcde</t>fg");
    expect(setUp({ opened: false, maxTokens: 7 }).write("<t>a</t>b<t>cdefg")).toBe("<t>a</t>b<t>cd</t>efg");
  });

  it("is outside until it is open and after it", () => {
    const { thinking, write } = setUp({ opened: false });
    expect(thinking.outsideBlock).toBe(true);
    write("<t>a");
    expect(thinking.outsideBlock).toBe(false);
    write("</t>");
    expect(thinking.outsideBlock).toBe(true);
  });

  it("takes tags outside ASCII", () => {
    expect(setUp({ open: "◁t▷", opened: false }).write("◁t▷abcdefg")).toBe("◁t▷abcde</t>fg");
  });
});

describe("a think block before constrained text", () => {
  it("is the only one: its tags in the text mean nothing", () => {
    const { thinking, write } = setUp({ constrained: true });
    expect(write('a</t>{"<t>":"abcdefghijk"}')).toBe('a</t>{"<t>":"abcdefghijk"}');
    expect(thinking.outsideBlock).toBe(true);
  });

  it("is decided by the first token", () => {
    const some = (i: number) => {
      const { thinking, token, encode } = setUp({
        constrained: true,
        opened: false,
        more: ["<t>", "\n<t>x", "<t", "{", " ", "<b>"],
      });
      expect(thinking.outsideBlock).toBe(false);
      const instead = thinking.replacementFor(token(i), false);
      if (instead?.length) expect(instead).toEqual(encode("<t>"));
      return instead === null ? "thinks" : instead.length > 0 ? "is made to think" : "doesn't think";
    };
    expect([0, 1, 2, 3, 4, 5].map(some)).toEqual([
      "thinks",
      "thinks",
      "is made to think",
      "doesn't think",
      "doesn't think",
      "doesn't think",
    ]);
  });

  it("ends by its tag where the model would end all, or say more with the tag's last token", () => {
    const { thinking, write, token, encode } = setUp({ constrained: true, more: [">{", ">\n"] });
    expect(thinking.replacementFor(encode("x")[0]!, true)).toEqual(encode("</t>"));
    write("a</t");
    expect(thinking.replacementFor(token(0), false)).toEqual(encode(">"));
    expect(thinking.replacementFor(token(1), false)).toBeNull();
  });
});
