import { type ResourceObject, scalarText } from "./text.ts";

/** A heading and the path of its field: `["BASE MODEL", "trainingConfig.baseModel"]`. */
export type Column = readonly [heading: string, field: string];

/** Columns get no wider than this; longer cells are printed whole. */
const MAX_WIDTH = 80;

/** A table printed page by page. A column is as wide as its widest cell so far. */
export class Table {
  readonly #columns: readonly Column[];
  #widths: number[] | null = null;

  constructor(columns: readonly Column[]) {
    this.#columns = columns;
  }

  /** The lines of a page; the first page begins with the headings. */
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

/** The value at a path; undefined when a field on the path is missing. */
export function fieldOf(object: ResourceObject, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>((value, key) => (value as ResourceObject | null | undefined)?.[key], object);
}

function cell(value: unknown): string {
  if (value === undefined || value === null || value === "") return "-";
  return scalarText(value).replace(/^[A-Z_]+_UNSPECIFIED$/, "-");
}
