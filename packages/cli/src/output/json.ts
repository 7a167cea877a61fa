import type { ResourceObject } from "./text.ts";

/** One response of the API, with its fields unchanged. */
export function resourceJson(object: ResourceObject): string {
  return `${JSON.stringify(object, null, 2)}\n`;
}

/** A list response as one JSON object, written page by page: first the items, then the other fields. */
export class ListJson {
  readonly #items: string;
  #isEmpty = true;

  constructor(items: string) {
    this.#items = items;
  }

  page(objects: readonly ResourceObject[]): string {
    return objects
      .map((object) => {
        const start = this.#isEmpty ? `{\n  ${JSON.stringify(this.#items)}: [\n` : ",\n";
        this.#isEmpty = false;
        return start + indented(object);
      })
      .join("");
  }

  end(otherFields: ResourceObject): string {
    const start = this.#isEmpty ? `{\n  ${JSON.stringify(this.#items)}: []` : "\n  ]";
    const fields = Object.entries(otherFields).map(
      ([key, value]) =>
        `,\n  ${JSON.stringify(key)}: ${JSON.stringify(value, null, 2).replaceAll("\n", "\n  ")}`,
    );
    return `${start}${fields.join("")}\n}\n`;
  }
}

function indented(object: ResourceObject): string {
  return JSON.stringify(object, null, 2).replaceAll(/^/gm, "    ");
}
