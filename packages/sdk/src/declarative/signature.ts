import { FireworksError } from "../client/errors.ts";

/** SHA-256 in hexadecimal. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  const { subtle } = globalThis.crypto ?? {};
  if (subtle === undefined)
    throw new FireworksError("This page is not secure (HTTPS): browsers hash nothing here.");
  const digest = await subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return hex(new Uint8Array(digest));
}

/** An id that is the same for the same signature: as much of `title` as an id may hold, and a digest. */
export async function signatureId(title: string, signature: readonly string[]): Promise<string> {
  return idOf(title, await sha256(new TextEncoder().encode(JSON.stringify(signature))));
}

/** An id that nobody else has: as much of `title` as an id may hold, and 96 random bits. */
export function randomId(title: string): string {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(12));
  return idOf(title, hex(bytes));
}

/** A text in a filter. */
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
