import { type ResourceObject, scalarText } from "./text.ts";

/** A heading and the field below it: `["BASE MODEL", "trainingConfig.baseModel"]`. */
export type Column = readonly [heading: string, field: string];

/** Longest cell that others are aligned to. */
const MAX_WIDTH = 80;

/** A table that comes page by page: columns are as wide as what was printed so far needs. */
export class Table {
  readonly #columns: readonly Column[];
  #widths: number[] | null = null;

  constructor(columns: readonly Column[]) {
    this.#columns = columns;
  }

  /** The lines of a page, in front of the first one the headings. */
  page(objects: readonly ResourceObject[]): string {
    const headings = this.#columns.map(([heading]) => heading);
    const rows = objects.map((object) => this.#columns.map(([, field]) => cell(fieldOf(object, field))));
    const all = this.#widths === null ? [headings, ...rows] : rows;
    this.#widths = headings.map((heading, column) =>
      Math.max(
        this.#widths?.[column] ?? heading.length,
        ...all.map((row) => Math.min(MAX_WIDTH, (row[column] as string).length)),
      ),
    );
    return all.map((row) => `${this.#aligned(row)}\n`).join("");
  }

  #aligned(row: readonly string[]): string {
    return row
      .map((text, column) => text.padEnd(this.#widths?.[column] ?? 0))
      .join("  ")
      .trimEnd();
  }
}

/** The value at a path; undefined when something on the way is missing. */
export function fieldOf(object: ResourceObject, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>((value, key) => (value as ResourceObject | null | undefined)?.[key], object);
}

function cell(value: unknown): string {
  if (value === undefined || value === null || value === "") return "-";
  return scalarText(value).replace(/^[A-Z_]+_UNSPECIFIED$/, "-");
}
