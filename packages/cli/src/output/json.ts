import type { ResourceObject } from "./text.ts";

/** One answer of the API, fields as it has them. */
export function resourceJson(object: ResourceObject): string {
  return `${JSON.stringify(object, null, 2)}\n`;
}

/** A list as the API answers it, written page by page: the items under `items`, then what stands beside them. */
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

  end(beside: ResourceObject): string {
    const start = this.#isEmpty ? `{\n  ${JSON.stringify(this.#items)}: []` : "\n  ]";
    const fields = Object.entries(beside).map(
      ([key, value]) =>
        `,\n  ${JSON.stringify(key)}: ${JSON.stringify(value, null, 2).replaceAll("\n", "\n  ")}`,
    );
    return `${start}${fields.join("")}\n}\n`;
  }
}

function indented(object: ResourceObject): string {
  return JSON.stringify(object, null, 2).replaceAll(/^/gm, "    ");
}
