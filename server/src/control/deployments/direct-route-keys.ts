import { createHmac, timingSafeEqual } from "node:crypto";
import { checkDirectRouteKey } from "./fields.ts";
import type { DirectRouteKey } from "./schema.ts";

/** Keys of direct routes. Only their digests are stored; responses show two characters and a part of the digest. */
export class DirectRouteKeys {
  readonly #secret: Buffer;

  constructor(secret: Buffer) {
    this.#secret = secret;
  }

  /**
   * Hashes the keys of a request. A text that was `shown` before stands for the known key that it was shown for.
   * @throws AppError BAD_REQUEST naming the key's position.
   */
  hashKeys(keys: readonly string[], known: readonly DirectRouteKey[]): DirectRouteKey[] {
    const hashed = keys.map((key, i) => {
      const same = known.find(({ shown }) => shown === key);
      if (same !== undefined) return same;
      checkDirectRouteKey(i, key);
      const digest = this.#digestOf(key).toString("hex");
      return { shown: `${key.slice(0, 2)}…${digest.slice(0, 8)}`, digest };
    });
    return [...new Map(hashed.map((key) => [key.digest, key])).values()];
  }

  /** Compares in constant time, so that the duration tells nothing about the keys. */
  matchesAny(key: string, known: readonly DirectRouteKey[]): boolean {
    const digest = this.#digestOf(key);
    let found = false;
    for (const knownKey of known)
      if (timingSafeEqual(digest, Buffer.from(knownKey.digest, "hex"))) found = true;
    return found;
  }

  #digestOf(key: string): Buffer {
    return createHmac("sha256", this.#secret).update(key).digest();
  }
}
