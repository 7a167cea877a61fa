import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { run } from "./main.ts";
import type { ProcessContext } from "./process-context.ts";

/** Test helpers that run command lines in this process with a fake environment. */

export interface RunResult {
  code: number;
  stdout: string;
  stderr: string;
}

export interface FakeHost {
  env?: Record<string, string>;
  fetch?: typeof globalThis.fetch;
  home?: string;
  isTerminal?: boolean;
  signal?: AbortSignal;
  /** Called with every pause; pauses end at once. */
  onPause?: (ms: number) => void;
}

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A temporary folder that is deleted after the tests of the file. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "firectl-"));
  folders.push(folder);
  return folder;
}

/** Splits as a shell does, quotes included; no expansions. */
export function words(line: string): string[] {
  return [...line.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/g)].map(([word]) => word.replaceAll(/["']/g, ""));
}

/** @param line a command line without `firectl`, or an array of arguments */
export async function firectl(line: string | readonly string[], host: FakeHost = {}): Promise<RunResult> {
  let nowMs = 0;
  const written = { stdout: "", stderr: "" };
  const outputStream = (name: "stdout" | "stderr") => ({
    isTerminal: host.isTerminal === true,
    columns: 120,
    async write(text: string) {
      written[name] += text;
    },
  });
  const processContext: ProcessContext = {
    env: host.env ?? { FIREWORKS_API_KEY: "fw_test", FIREWORKS_ACCOUNT_ID: "acme" },
    home: host.home ?? "/nonexistent",
    stdin: { isTTY: false } as NodeJS.ReadStream,
    stdout: outputStream("stdout"),
    stderr: outputStream("stderr"),
    fetch: host.fetch ?? (() => Promise.reject(new Error("nothing may be sent"))),
    signal: host.signal ?? new AbortController().signal,
    nowMs: () => nowMs,
    async pause(ms) {
      nowMs += ms;
      host.onPause?.(ms);
    },
  };
  const code = await run(typeof line === "string" ? words(line) : line, processContext);
  return { code, ...written };
}

/** The request that a command line would send, as `--dry-run` prints it. */
export async function requestOf(line: string): Promise<{ method: string; path: string; body?: unknown }> {
  const { code, stdout, stderr } = await firectl([...words(line), "--dry-run"]);
  if (code !== 0) throw new Error(`exit code ${code}: ${stderr}`);
  const { method, url, body } = JSON.parse(stdout) as { method: string; url: string; body?: unknown };
  return { method, path: url.replace("http://127.0.0.1:8080", ""), ...(body !== undefined && { body }) };
}

/** A fake `fetch` with responses by `METHOD path`; `requests` records the requests. */
export function fakeApi(responses: Readonly<Record<string, unknown>>) {
  const requests: { method: string; path: string; body: unknown; headers: Headers }[] = [];
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const url = new URL(String(input));
    const method = init?.method ?? "GET";
    const path = url.pathname + decodeURIComponent(url.search).replaceAll("+", " ");
    const text = typeof init?.body === "string" ? init.body : "null";
    requests.push({ method, path, body: JSON.parse(text), headers: new Headers(init?.headers) });
    const response = responses[`${method} ${path}`] ?? responses[`${method} ${url.pathname}`];
    const value = typeof response === "function" ? response() : response;
    if (value instanceof Response) return value;
    if (value !== undefined) return Response.json(value);
    return Response.json({ code: 5, message: `Nothing at ${path}.`, details: [] }, { status: 404 });
  };
  return { fetch, requests };
}

export function apiError(status: number, code: number, message: string): Response {
  return Response.json({ code, message, details: [] }, { status });
}
