import { type JsonObject, parseLine } from "./json-line.ts";
import { LineSplitter } from "./line-splitter.ts";
import { checkRow, type DatasetFormat, type Row, type RowKind } from "./row.ts";
import { RowError } from "./row-error.ts";

export interface ValidationLimits {
  minExamples: number;
  maxExamples: number;
  maxLineBytes: number;
  /** The validator stops after this many faulty lines. */
  maxFaults: number;
}

export const VALIDATION_LIMITS: ValidationLimits = {
  minExamples: 3,
  maxExamples: 3_000_000,
  maxLineBytes: 16 * 1024 * 1024,
  maxFaults: 20,
};

export interface ValidatorOptions {
  /** The format that all rows must have; null: the format of the first row. */
  format: DatasetFormat | null;
  limits?: ValidationLimits;
  /** Whether a valid row counts. Default: all valid rows count. */
  filter?: (row: JsonObject, line: Buffer) => boolean;
}

export interface Fault {
  file: string;
  /** Line number from 1; blank lines count. */
  line: number;
  /** A description of the fault without a subject: `messages[0].role must be …`, `is not valid JSON`. */
  problem: string;
}

export interface ValidationReport {
  faults: Fault[];
  /** A problem of the whole dataset, as a sentence; null when there is none or when there are faults. */
  problem: string | null;
  /** The validator stopped early, so there may be more faults. */
  isPartial: boolean;
  format: DatasetFormat;
  exampleCount: number;
  estimatedTokenCount: number;
  averageTurnCount: number;
}

/** Checks a dataset's files, one after the other, as their bytes arrive. Ignores blank lines. */
export class DatasetValidator {
  readonly #limits: ValidationLimits;
  readonly #declared: DatasetFormat | null;
  readonly #filter: (row: JsonObject, line: Buffer) => boolean;
  readonly #faults: Fault[] = [];
  #file = "";
  #splitter: LineSplitter | null = null;
  #kind: RowKind | null = null;
  #format: DatasetFormat | null = null;
  #examples = 0;
  #tokens = 0;
  #turns = 0;

  constructor({ format, limits = VALIDATION_LIMITS, filter = () => true }: ValidatorOptions) {
    this.#declared = format;
    this.#limits = limits;
    this.#filter = filter;
  }

  /** The result is settled; later calls of `push` do nothing. */
  get isDone(): boolean {
    return this.#faults.length >= this.#limits.maxFaults || this.#examples > this.#limits.maxExamples;
  }

  /** Starts a file, and ends the one before. */
  beginFile(name: string): void {
    this.#splitter?.end();
    this.#file = name;
    this.#splitter = new LineSplitter(this.#limits.maxLineBytes, (line, number) =>
      this.#checkLine(line, number),
    );
  }

  push(chunk: Buffer): void {
    if (!this.isDone) this.#splitter?.push(chunk);
  }

  finish(): ValidationReport {
    this.#splitter?.end();
    return {
      faults: this.#faults,
      problem: this.#faults.length > 0 ? null : this.#countProblem(),
      isPartial: this.isDone,
      format: this.#format ?? "CHAT",
      exampleCount: this.#examples,
      estimatedTokenCount: this.#tokens,
      averageTurnCount: this.#examples === 0 ? 0 : this.#turns / this.#examples,
    };
  }

  #countProblem(): string | null {
    const { minExamples, maxExamples } = this.#limits;
    if (this.#examples > maxExamples) return `The dataset has more than ${maxExamples} examples.`;
    if (this.#examples >= minExamples) return null;
    return `The dataset has too few examples: ${this.#examples}, and at least ${minExamples} are needed.`;
  }

  #checkLine(line: Buffer | null, number: number): void {
    if (this.isDone || (line !== null && isBlank(line))) return;
    try {
      if (line === null) throw new RowError(`is longer than ${this.#limits.maxLineBytes} bytes`);
      const row = parseLine(line);
      const checked = checkRow(row);
      if (this.#filter(row, line)) this.#count(checked);
    } catch (error) {
      if (!(error instanceof RowError)) throw error;
      this.#faults.push({ file: this.#file, line: number, problem: error.message });
    }
  }

  /** Counts a row. @throws RowError when it has another format or kind than the rows before. */
  #count(row: Row): void {
    const format = this.#format ?? this.#declared ?? row.format;
    refuseOtherFormat(row, format);
    if (row.kind !== (this.#kind ?? row.kind)) {
      throw new RowError(`is a ${row.kind} row, but the rows before it are ${this.#kind} rows`);
    }
    this.#format = format;
    this.#kind = row.kind;
    this.#examples++;
    this.#tokens += row.tokens;
    this.#turns += row.turns;
  }
}

/** A dataset of the format RL also takes chats with an assistant message. @throws RowError */
function refuseOtherFormat(row: Row, format: DatasetFormat): void {
  if (row.format === format || (format === "RL" && row.kind === "chat")) return;
  if (row.format === "RL" && format === "CHAT") {
    throw new RowError(
      "messages has no assistant message to learn from (set the dataset's format to RL for prompts without answers)",
    );
  }
  throw new RowError(`is a ${row.kind} row, which a dataset of the format ${format} can't hold`);
}

export function isBlank(line: Buffer): boolean {
  for (const byte of line) if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false;
  return true;
}
