import { InvalidResponseError } from "./errors.ts";

/** One page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** The `pageToken` of the next page; empty on the last page. */
  readonly nextPageToken: string;
  /** The number of items on all pages; null when the server doesn't say. */
  readonly totalSize: number | null;
}

/**
 * A list whose pages are fetched as they are needed: `for await (const item of listing)`. Holds one page at a time.
 */
export class Listing<Item> implements AsyncIterable<Item> {
  readonly #fetch: (pageToken: string | undefined) => Promise<Page<Item>>;
  readonly #firstToken: string | undefined;

  constructor(fetch: (pageToken: string | undefined) => Promise<Page<Item>>, firstToken: string | undefined) {
    this.#fetch = fetch;
    this.#firstToken = firstToken;
  }

  /** Fetches the first page, or the page of `pageToken`. */
  page(pageToken: string | undefined = this.#firstToken): Promise<Page<Item>> {
    return this.#fetch(pageToken);
  }

  /** @throws InvalidResponseError when a page's `nextPageToken` is its own token, which would loop for ever */
  async *pages(): AsyncGenerator<Page<Item>, void, undefined> {
    let token = this.#firstToken;
    for (;;) {
      const page = await this.#fetch(token);
      yield page;
      if (page.nextPageToken === "") return;
      if (page.nextPageToken === token)
        throw new InvalidResponseError(
          200,
          "The server answered with a page that leads to itself: its nextPageToken is its own token.",
        );
      token = page.nextPageToken;
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    for await (const page of this.pages()) yield* page.items;
  }
}
