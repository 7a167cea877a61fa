import { InvalidResponseError } from "./errors.ts";

/** One page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** Goes into `pageToken` for the next page; empty on the last one. */
  readonly nextPageToken: string;
  /** Of all pages together; null when the server doesn't say. */
  readonly totalSize: number | null;
}

/**
 * A list that is read page by page as it is needed: `for await (const item of listing)`. Only one page is held at a time.
 */
export class Listing<Item> implements AsyncIterable<Item> {
  readonly #fetch: (pageToken: string | undefined) => Promise<Page<Item>>;
  readonly #firstToken: string | undefined;

  constructor(fetch: (pageToken: string | undefined) => Promise<Page<Item>>, firstToken: string | undefined) {
    this.#fetch = fetch;
    this.#firstToken = firstToken;
  }

  /** The first page, or the one of `pageToken`. */
  page(pageToken: string | undefined = this.#firstToken): Promise<Page<Item>> {
    return this.#fetch(pageToken);
  }

  /** @throws InvalidResponseError when a page leads to itself. */
  async *pages(): AsyncGenerator<Page<Item>, void, undefined> {
    let token = this.#firstToken;
    for (;;) {
      const page = await this.#fetch(token);
      yield page;
      if (page.nextPageToken === "") return;
      if (page.nextPageToken === token)
        throw new InvalidResponseError(200, "The server answered a page that leads to itself.");
      token = page.nextPageToken;
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    for await (const page of this.pages()) yield* page.items;
  }
}
