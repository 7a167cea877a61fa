import { describe, expect, test } from "vitest";
import { progressBar } from "./progress-bar.ts";

function drawn(isTTY: boolean, steps: number[]): string[] {
  const lines: string[] = [];
  const draw = progressBar("Model", { isTTY, write: (text) => lines.push(text) });
  for (const step of steps) draw(step, 200e6);
  return lines;
}

describe("the progress bar", () => {
  test("is redrawn on one line of a terminal and ends full", () => {
    const lines = drawn(true, [0, 100e6, 100.1e6, 200e6]);
    expect(lines).toHaveLength(3);
    expect(lines.every((line) => line.startsWith("\rModel "))).toBe(true);
    expect(lines.at(-1)).toBe(`\rModel ${"█".repeat(30)} 100 % of 200 MB\n`);
  });

  test("writes at most eleven lines to a log, however often it is called", () => {
    expect(
      drawn(
        false,
        Array.from({ length: 2001 }, (_, i) => i * 1e5),
      ),
    ).toHaveLength(11);
  });
});
