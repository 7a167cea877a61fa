import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from "node:crypto";
import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import type { Principal } from "../accounts/service.ts";

export interface KeyringEntry {
  /** HMAC-SHA256 of the key, hexadecimal. */
  digest: string;
  principal: Principal;
  /** Null: never. */
  expiresAtMs: number | null;
}

/** When a key was last used. */
export interface KeyLastUsed {
  keyId: string;
  usedAtMs: number;
}

interface LoadedKey {
  digest: Buffer;
  principal: Principal;
  /** The key works until this time, exclusive. */
  usableUntilMs: number;
  /** 0: not used since the last `takeLastUsed`. */
  usedAtMs: number;
}

/** Size of the cache of valid `Authorization` headers. Without the cache, the HMAC is the largest cost of a check. */
const MAX_CACHED_AUTHORIZATIONS = 1_024;
/** No valid key is longer. Longer ones are refused without the cost of hashing them. */
const MAX_KEY_CHARS = 256;
const NOBODY: LoadedKey = {
  digest: Buffer.alloc(32),
  principal: { accountId: "", keyId: "", userId: "", role: "inference-user", isOperator: false },
  usableUntilMs: Number.NEGATIVE_INFINITY,
  usedAtMs: 0,
};

/**
 * All keys of the installation in memory. A check needs no database query and is the same work for every kind of
 * failure.
 */
export class Keyring {
  readonly #pepper: KeyObject;
  readonly #clock: Clock;
  readonly #presented = Buffer.alloc(32);
  readonly #authorizationCache = new Map<string, LoadedKey>();
  #entries = new Map<string, LoadedKey>();

  constructor(pepper: Buffer, clock: Clock) {
    this.#pepper = createSecretKey(pepper);
    this.#clock = clock;
  }

  /** The digest to store for a key, hexadecimal. */
  readonly digestOf = (key: string): string => Buffer.from(this.#hmac(key), "latin1").toString("hex");

  /** Replaces all keys. */
  replace(entries: readonly KeyringEntry[]): void {
    const next = new Map<string, LoadedKey>();
    for (const { digest, principal, expiresAtMs } of entries) {
      const bytes = Buffer.from(digest, "hex");
      const name = bytes.toString("latin1");
      next.set(name, {
        digest: bytes,
        principal: Object.freeze({ ...principal }),
        usableUntilMs: expiresAtMs ?? Number.POSITIVE_INFINITY,
        usedAtMs: this.#entries.get(name)?.usedAtMs ?? 0,
      });
    }
    this.#entries = next;
    this.#authorizationCache.clear();
  }

  /**
   * @throws AppError UNAUTHORIZED, the same for a key that is absent, malformed, unknown, deleted, disabled or expired.
   */
  authenticate(authorization: string | undefined): Principal {
    const entry = this.#authorizationCache.get(authorization as string) ?? this.#find(authorization);
    const nowMs = this.#clock.now();
    if (nowMs < entry.usableUntilMs) {
      entry.usedAtMs = nowMs;
      return entry.principal;
    }
    throw new AppError("UNAUTHORIZED", "The API key is missing or not valid.");
  }

  /** Last uses of the keys that were used since the previous call. */
  takeLastUsed(): KeyLastUsed[] {
    const uses: KeyLastUsed[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.usedAtMs === 0) continue;
      uses.push({ keyId: entry.principal.keyId, usedAtMs: entry.usedAtMs });
      entry.usedAtMs = 0;
    }
    return uses;
  }

  #find(authorization: string | undefined): LoadedKey {
    const digest = this.#hmac(bearerToken(authorization));
    const entry = this.#entries.get(digest) ?? NOBODY;
    this.#presented.write(digest, "latin1");
    // The time of the map lookup depends on the digest, but nobody without the pepper can choose digests. The
    // comparison takes constant time.
    if (!timingSafeEqual(this.#presented, entry.digest)) return NOBODY;
    if (this.#authorizationCache.size >= MAX_CACHED_AUTHORIZATIONS) this.#authorizationCache.clear();
    this.#authorizationCache.set(authorization as string, entry);
    return entry;
  }

  /** The HMAC as a string with one character a byte, which is cheaper to create and to look up than a buffer. */
  #hmac(key: string): string {
    return createHmac("sha256", this.#pepper).update(key).digest("binary");
  }
}

/** The key in `Bearer KEY`, with the scheme in upper or lower case; empty for any other header. */
function bearerToken(authorization: string | undefined): string {
  if (authorization === undefined || authorization.length > MAX_KEY_CHARS + 16) return "";
  if (authorization.charCodeAt(6) !== 0x20 || authorization.slice(0, 6).toLowerCase() !== "bearer") return "";
  return authorization.slice(7).trim();
}
