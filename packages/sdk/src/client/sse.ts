/** Parser of server-sent events, as the HTML standard defines them. */

export interface ServerSentEvent {
  /** `message` if the event has no type. */
  event: string;
  data: string;
}

/** The longest event, in characters. */
const MAX_EVENT_LENGTH = 64 * 1024 ** 2;

/**
 * Parses events from chunks that may split events anywhere. Drops a last event that lacks its blank line.
 * @throws RangeError for an event over the limit
 */
export class EventReader {
  readonly #decoder = new TextDecoder();
  /** The text after the last line break. */
  #rest = "";
  #endedWithCr = false;
  #event = "";
  #data: string[] = [];
  #length = 0;

  /** Returns the events that these bytes complete. */
  push(bytes: Uint8Array): ServerSentEvent[] {
    let text = this.#decoder.decode(bytes, { stream: true });
    if (text === "") return [];
    // A chunk may end between the CR and LF of one line break.
    if (this.#endedWithCr && text.startsWith("\n")) text = text.slice(1);
    this.#endedWithCr = text.endsWith("\r");
    const [first = "", ...others] = text.split(/\r\n|\r|\n/);
    const lines = [this.#rest + first, ...others];
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length + this.#length > MAX_EVENT_LENGTH) throw new RangeError("An event is too long.");
    return lines.flatMap((line) => this.#line(line) ?? []);
  }

  #line(line: string): ServerSentEvent | null {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#event = value;
    if (field === "data") {
      this.#data.push(value);
      this.#length += value.length;
    }
    return null;
  }

  #dispatch(): ServerSentEvent | null {
    const event = { event: this.#event || "message", data: this.#data.join("\n") };
    const isEmpty = this.#data.length === 0;
    this.#event = "";
    this.#data = [];
    this.#length = 0;
    return isEmpty ? null : event;
  }
}
