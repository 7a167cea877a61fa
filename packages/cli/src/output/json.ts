import type { Thing } from "./text.ts";

/** One answer of the API, fields as it has them. */
export function thingJson(thing: Thing): string {
  return `${JSON.stringify(thing, null, 2)}\n`;
}

/** A list as the API answers it, written page by page: the items under `items`, then what stands beside them. */
export class ListJson {
  readonly #items: string;
  #isEmpty = true;

  constructor(items: string) {
    this.#items = items;
  }

  page(things: readonly Thing[]): string {
    return things
      .map((thing) => {
        const start = this.#isEmpty ? `{\n  ${JSON.stringify(this.#items)}: [\n` : ",\n";
        this.#isEmpty = false;
        return start + indented(thing);
      })
      .join("");
  }

  end(beside: Thing): string {
    const start = this.#isEmpty ? `{\n  ${JSON.stringify(this.#items)}: []` : "\n  ]";
    const fields = Object.entries(beside).map(
      ([key, value]) =>
        `,\n  ${JSON.stringify(key)}: ${JSON.stringify(value, null, 2).replaceAll("\n", "\n  ")}`,
    );
    return `${start}${fields.join("")}\n}\n`;
  }
}

function indented(thing: Thing): string {
  return JSON.stringify(thing, null, 2).replaceAll(/^/gm, "    ");
}
