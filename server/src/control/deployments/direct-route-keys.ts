import { createHmac, timingSafeEqual } from "node:crypto";
import { checkDirectRouteKey } from "./fields.ts";
import type { DirectRouteKey } from "./schema.ts";

/** Keys of direct routes. Only their digests are kept, and no answer shows more of them than what tells them apart. */
export class DirectRouteKeys {
  readonly #secret: Buffer;

  constructor(secret: Buffer) {
    this.#secret = secret;
  }

  /**
   * What is kept of the keys of a request. One that was `shown` before stands for the key it was shown for.
   * @throws AppError BAD_REQUEST naming the key's place.
   */
  hashKeys(keys: readonly string[], known: readonly DirectRouteKey[]): DirectRouteKey[] {
    const kept = keys.map((key, i) => {
      const same = known.find(({ shown }) => shown === key);
      if (same !== undefined) return same;
      checkDirectRouteKey(i, key);
      const digest = this.#digestOf(key).toString("hex");
      return { shown: `${key.slice(0, 2)}…${digest.slice(0, 8)}`, digest };
    });
    return [...new Map(kept.map((key) => [key.digest, key])).values()];
  }

  /** Takes as long whichever key it is, or none. */
  matchesAny(key: string, kept: readonly DirectRouteKey[]): boolean {
    const digest = this.#digestOf(key);
    let found = false;
    for (const one of kept) if (timingSafeEqual(digest, Buffer.from(one.digest, "hex"))) found = true;
    return found;
  }

  #digestOf(key: string): Buffer {
    return createHmac("sha256", this.#secret).update(key).digest();
  }
}
