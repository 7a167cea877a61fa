import type { TransferProgress } from "@hearth/sdk/node";
import { StatusLine } from "../output/status-line.ts";
import type { ProcessContext } from "../process-context.ts";

const REDRAW_MS = 100;
/** The speed is the mean over this time. */
const SPEED_WINDOW_MS = 5_000;
const CELLS = 24;

/** The progress of a transfer: a bar in a terminal; elsewhere a line at its start and a line when the host checks the files. */
export class ProgressBar {
  readonly #line: StatusLine;
  readonly #processContext: ProcessContext;
  readonly #verb: string;
  #drawnMs = Number.NEGATIVE_INFINITY;
  #samples: { atMs: number; bytes: number }[] = [];
  #writing: Promise<void> = Promise.resolve();
  /** Progress that waits to be drawn, so that the bar is redrawn at most every REDRAW_MS. */
  #pending: TransferProgress | null = null;

  /** @param verb `Uploading`, `Downloading` */
  constructor(processContext: ProcessContext, verb: string, isQuiet: boolean) {
    this.#line = new StatusLine(processContext.stderr, isQuiet);
    this.#processContext = processContext;
    this.#verb = verb;
  }

  readonly onProgress = (progress: TransferProgress): void => {
    const nowMs = this.#processContext.nowMs();
    const isLast = progress.phase === "validating" || progress.doneBytes === progress.totalBytes;
    if (!isLast && nowMs - this.#drawnMs < REDRAW_MS) {
      this.#drawLater(progress);
      return;
    }
    this.#pending = null;
    this.#drawnMs = nowMs;
    this.#addSample(nowMs, progress.doneBytes);
    const isChecked = progress.phase === "validating";
    const message = isChecked ? "Checking the uploaded files" : this.#verb;
    const detail = isChecked ? "" : barText(progress, this.#bytesPerSecond());
    this.#writing = this.#writing.then(() => this.#line.show(message, detail));
  };

  async end(): Promise<void> {
    this.#pending = null;
    await this.#writing;
    await this.#line.clear();
  }

  /** Draws the latest progress after REDRAW_MS, as the next report may take long to come. */
  #drawLater(progress: TransferProgress): void {
    const isWaiting = this.#pending !== null;
    this.#pending = progress;
    if (isWaiting) return;
    const draw = (): void => {
      const pending = this.#pending;
      this.#pending = null;
      if (pending !== null) this.onProgress(pending);
    };
    // Ctrl-C rejects the pause; then nothing more is drawn.
    this.#processContext.pause(REDRAW_MS).then(draw, () => {});
  }

  #addSample(atMs: number, bytes: number): void {
    this.#samples = this.#samples.filter(
      (sample) => atMs - sample.atMs <= SPEED_WINDOW_MS && sample.bytes <= bytes,
    );
    this.#samples.push({ atMs, bytes });
  }

  /** Null until the samples span enough time. */
  #bytesPerSecond(): number | null {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last.atMs - first.atMs < 2 * REDRAW_MS) return null;
    return ((last.bytes - first.bytes) / (last.atMs - first.atMs)) * 1000;
  }
}

/** `  [=====>    ]  45% of 2.7 GB  85 MB/s  12 s left  model.safetensors` */
export function barText(
  { doneBytes, totalBytes, file }: TransferProgress,
  bytesPerSecond: number | null,
): string {
  const share = totalBytes === 0 ? 1 : doneBytes / totalBytes;
  const full = Math.floor(share * CELLS);
  const cells = `${"=".repeat(full)}${full < CELLS ? ">" : ""}`.padEnd(CELLS);
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  const isMoving = bytesPerSecond !== null && bytesPerSecond > 0;
  const speed = isMoving ? `  ${sizeText(bytesPerSecond)}/s` : "";
  const left = isMoving ? `  ${timeText((totalBytes - doneBytes) / bytesPerSecond)} left` : "";
  return `  [${cells}] ${percent} of ${sizeText(totalBytes)}${speed}${left}  ${file}`;
}

/** `1.5 GB`: units of 1000. */
export function sizeText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value >= 99.5 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

function timeText(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
