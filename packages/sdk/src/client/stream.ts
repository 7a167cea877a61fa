import { apiError, ConnectionError, readErrorBody } from "./errors.ts";
import { EventReader, type ServerSentEvent } from "./sse.ts";
import type { StreamingResponse, Transport } from "./transport.ts";

/** How a kind of stream ends: `null` for the mark `[DONE]`, else the type of its last event. */
export type LastEvent = null | RegExp;

/**
 * The events of an answer, to be read once with `for await`. Leaving the loop early ends the request.
 * It fails with an `ApiError` for an error in the stream, and with a `ConnectionError` when the stream breaks off.
 */
export class EventStream<Event> implements AsyncIterable<Event> {
  /** The answer's headers. */
  readonly headers: Headers;
  readonly #events: AsyncGenerator<Event, void, undefined>;
  readonly #response: StreamingResponse;

  constructor(answer: StreamingResponse, transport: Transport, lastEvent: LastEvent) {
    this.headers = answer.headers;
    this.#response = answer;
    this.#events = readEvents<Event>(answer, transport, lastEvent);
  }

  [Symbol.asyncIterator](): AsyncIterator<Event> {
    return this.#events;
  }

  /** Ends the request. */
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
    for (const one of reader.push(chunk)) {
      if (one.data === "[DONE]") return;
      const event = parsed(one, transport);
      const type = (event as { type?: unknown }).type ?? one.event;
      const failure =
        one.event === "error" || type === "error" || "error" in event
          ? readErrorBody(transport.readJson(one.data))
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
  throw new ConnectionError(`The stream of ${transport.origin} ended before its end.`);
}

function parsed({ data }: ServerSentEvent, transport: Transport): object {
  try {
    const event: unknown = JSON.parse(data);
    if (typeof event === "object" && event !== null) return event;
  } catch {}
  throw transport.invalidResponse(200, "a stream of something else than JSON");
}
