import { apiError, ConnectionError, readErrorBody } from "./errors.ts";
import { EventReader, type ServerSentEvent } from "./sse.ts";
import type { StreamingResponse, Transport } from "./transport.ts";

/** How a stream ends: `null` for `[DONE]`, otherwise a pattern of the last event's type. */
export type LastEvent = null | RegExp;

/**
 * The events of a streaming response. Read it once with `for await`; leaving the loop early aborts the request.
 * Iteration throws an `ApiError` for an error event, and a `ConnectionError` when the stream ends too early.
 */
export class EventStream<Event> implements AsyncIterable<Event> {
  /** The response's headers. */
  readonly headers: Headers;
  readonly #events: AsyncGenerator<Event, void, undefined>;
  readonly #response: StreamingResponse;

  constructor(response: StreamingResponse, transport: Transport, lastEvent: LastEvent) {
    this.headers = response.headers;
    this.#response = response;
    this.#events = readEvents<Event>(response, transport, lastEvent);
  }

  [Symbol.asyncIterator](): AsyncIterator<Event> {
    return this.#events;
  }

  /** Aborts the request. */
  close(): void {
    this.#response.close();
  }
}

async function* readEvents<Event>(
  { headers, chunks }: StreamingResponse,
  transport: Transport,
  lastEvent: LastEvent,
): AsyncGenerator<Event, void, undefined> {
  const reader = new EventReader();
  for await (const chunk of chunks) {
    for (const message of reader.push(chunk)) {
      if (message.data === "[DONE]") return;
      const event = parsed(message, transport);
      const type = (event as { type?: unknown }).type ?? message.event;
      const failure =
        message.event === "error" || type === "error" || "error" in event
          ? readErrorBody(transport.readJson(message.data))
          : null;
      if (failure !== null)
        throw apiError({
          ...failure,
          status: 200,
          requestId: headers.get("x-request-id"),
          retryAfterMs: null,
        });
      yield event as Event;
      if (lastEvent?.test(String(type))) return;
    }
  }
  throw new ConnectionError(`The stream of ${transport.origin} ended before its last event.`);
}

function parsed({ data }: ServerSentEvent, transport: Transport): object {
  try {
    const event: unknown = JSON.parse(data);
    if (typeof event === "object" && event !== null) return event;
  } catch {}
  throw transport.invalidResponse(200, "a stream whose events are not JSON");
}
