import type { Runtime } from "./transport.ts";

/** A request that the fake `fetch` received. */
export interface Sent {
  method: string;
  /** Path and query. */
  path: string;
  headers: Headers;
  /** The parsed JSON; null for other bodies. */
  body: unknown;
  form: FormData | null;
}

/** The outcome of a request: a response, or the error that `fetch` throws. */
export type Reply = Response | Error | ((sent: Sent, signal: AbortSignal) => Response | Promise<Response>);

/** A fake `fetch` that returns the replies in order. A request beyond the last reply fails the test. */
export function scriptedFetch(...replies: readonly Reply[]): { fetch: typeof fetch; sent: Sent[] } {
  const sent: Sent[] = [];
  const scripted = async (url: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const { pathname, search } = new URL(String(url));
    const one: Sent = {
      method: init.method ?? "GET",
      path: pathname + search,
      headers: new Headers(init.headers),
      body: typeof init.body === "string" ? JSON.parse(init.body) : null,
      form: init.body instanceof FormData ? init.body : null,
    };
    const reply = replies[sent.length];
    sent.push(one);
    if (reply === undefined) throw new Error(`unexpected request: ${one.method} ${one.path}`);
    if (reply instanceof Error) throw reply;
    return reply instanceof Response ? reply : reply(one, init.signal as AbortSignal);
  };
  return { fetch: scripted, sent };
}

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json", ...headers },
  });
}

export function controlError(status: number, code: number, message: string): Response {
  return json({ code, message, details: [] }, status, { "x-request-id": "r1" });
}

export function systemError(code: string): Error {
  return new TypeError("fetch failed", { cause: Object.assign(new Error(code), { code }) });
}

/** A runtime whose pauses end at once; `pausesMs` records their lengths. */
export function instantRuntime(): Runtime & { pausesMs: number[] } {
  const pausesMs: number[] = [];
  return {
    pausesMs,
    nowMs: () => Date.parse("2026-01-31T12:00:00Z"),
    random: () => 1,
    async pause(ms, signal) {
      signal?.throwIfAborted();
      pausesMs.push(ms);
    },
  };
}
