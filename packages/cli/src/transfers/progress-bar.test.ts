import type { TransferProgress } from "@hearth/sdk/node";
import { describe, expect, test } from "vitest";
import type { ProcessContext } from "../process-context.ts";
import { barText, ProgressBar, sizeText } from "./progress-bar.ts";

const progress = (
  doneBytes: number,
  phase: TransferProgress["phase"] = "transferring",
): TransferProgress => ({
  phase,
  file: "model.safetensors",
  fileDoneBytes: doneBytes,
  fileTotalBytes: 1_000,
  doneBytes,
  totalBytes: 1_000,
});

/** A terminal with a fake clock that advances only by `pass`. */
function terminal() {
  let written = "";
  let nowMs = 0;
  const pauses: { untilMs: number; end: () => void }[] = [];
  const processContext = {
    stderr: {
      isTerminal: true,
      columns: 100,
      async write(text: string) {
        written += text;
      },
    },
    nowMs: () => nowMs,
    pause: (ms: number) => new Promise<void>((end) => pauses.push({ untilMs: nowMs + ms, end })),
  } as unknown as ProcessContext;
  return {
    processContext,
    written: () => written,
    async pass(ms: number): Promise<void> {
      nowMs += ms;
      for (const { end } of pauses.splice(0)) end();
      await new Promise(setImmediate);
    },
  };
}

describe("the progress bar", () => {
  test("is drawn at most ten times a second, and shows the latest progress of a stalled transfer", async () => {
    const { processContext, written, pass } = terminal();
    const bar = new ProgressBar(processContext, "Uploading", false);
    for (const doneBytes of [0, 100, 200, 300]) bar.onProgress(progress(doneBytes));
    await pass(0);
    expect(written().match(/ \d+% of/g)).toEqual([" 0% of"]);
    // Timers can fire a fraction of a millisecond early.
    await pass(99.5);
    await pass(100);
    expect(written().match(/ \d+% of/g)).toEqual([" 0% of", " 30% of"]);
    bar.onProgress(progress(1_000));
    await bar.end();
    expect(written()).toMatch(/100% of 1\.0 kB {2}model\.safetensors\r\u001b\[K$/);
  });

  test("is not redrawn after its end", async () => {
    const { processContext, written, pass } = terminal();
    const bar = new ProgressBar(processContext, "Uploading", false);
    for (const doneBytes of [0, 100]) bar.onProgress(progress(doneBytes));
    await bar.end();
    const before = written();
    await pass(1_000);
    expect(written()).toBe(before);
  });

  test("shows the speed and the remaining time", () => {
    expect(barText({ ...progress(450), totalBytes: 1_000 }, 50)).toBe(
      "  [==========>             ]  45% of 1.0 kB  50 B/s  11 s left  model.safetensors",
    );
  });

  test.each([
    [0, "0 B"],
    [999, "999 B"],
    [1_000, "1.0 kB"],
    [999_499, "999 kB"],
    [999_500, "1.0 MB"],
    [2_700_000_000, "2.7 GB"],
  ])("%i bytes are %s", (bytes, text) => {
    expect(sizeText(bytes)).toBe(text);
  });
});
