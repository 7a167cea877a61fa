import { FireworksError } from "../client/errors.ts";

/** SHA-256 in hexadecimal. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  const { subtle } = globalThis.crypto ?? {};
  if (subtle === undefined)
    throw new FireworksError(
      "Browsers can compute hashes only on secure (HTTPS) pages, and this page is not secure.",
    );
  const digest = await subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return hex(new Uint8Array(digest));
}

/** A deterministic id: the beginning of `title`, and 96 bits of the signature's SHA-256. */
export async function signatureId(title: string, signature: readonly string[]): Promise<string> {
  return idOf(title, await sha256(new TextEncoder().encode(JSON.stringify(signature))));
}

/** A random id: the beginning of `title`, and 96 random bits. */
export function randomId(title: string): string {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(12));
  return idOf(title, hex(bytes));
}

/** A string literal of a filter. */
export function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function idOf(title: string, digest: string): string {
  const words = title
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^[-0-9]+|-+$/g, "")
    .slice(0, 38);
  return `${words || "sdk"}-${digest.slice(0, 24)}`.replaceAll(/-+/g, "-");
}
