import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hubUrl, parseWeightsSource } from "./source.ts";

describe("weights sources", () => {
  it.each([
    ["file:a b.gguf", { kind: "file", path: "a b.gguf" }],
    ["file:/srv/m.gguf", { kind: "file", path: "/srv/m.gguf" }],
    ["https://host/x.gguf?a=1", { kind: "url", url: "https://host/x.gguf?a=1" }],
    ["hf:o/r/f.gguf", { kind: "hub", repo: "o/r", path: "f.gguf", revision: "main" }],
    ["hf:o/r/d/f.gguf@refs/pr/1", { kind: "hub", repo: "o/r", path: "d/f.gguf", revision: "refs/pr/1" }],
    ["pip:a-b==1.2.3rc1#p/m.gguf", { kind: "pip", requirement: "a-b==1.2.3rc1", member: "p/m.gguf" }],
  ])("%s is understood", (text, source) => {
    expect(parseWeightsSource(text)).toEqual(source);
  });

  it.each([
    "",
    "x",
    "file:",
    "ftp://h/x",
    "https://",
    "hf:o/r",
    "hf:o/r/../x",
    "hf:o/r//x",
    "FILE:x",
    "pip:a",
    "pip:a==1",
    "pip:a==1#",
    "pip:a==1#../x",
    "pip:a==1#/x",
    "pip:--help==1#x",
    "pip:a>=1#x",
    "pip:a==1 b#x",
  ])("%j is refused", (text) => {
    expect(() => parseWeightsSource(text)).toThrow();
  });

  it("never have an option as their pip requirement, or a path outside their folder", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^(pip|hf):[-a.=#/@ ]{0,20}$/), (text) => {
        const source = (() => {
          try {
            return parseWeightsSource(text);
          } catch {
            return null;
          }
        })();
        if (source?.kind === "pip") expect(source.requirement).toMatch(/^[a-z][^\s/]*$/);
        const path = source?.kind === "pip" ? source.member : source?.kind === "hub" ? source.path : "a";
        expect(path.split("/")).not.toContain("..");
      }),
    );
  });

  it("have a hub address that keeps the folders of the path and encodes the rest", () => {
    const source = { kind: "hub", repo: "o/r", path: "d/f #1.gguf", revision: "refs/pr/1" } as const;
    expect(hubUrl(source, "https://mirror/")).toBe(
      "https://mirror/o/r/resolve/refs%2Fpr%2F1/d/f%20%231.gguf",
    );
  });
});
