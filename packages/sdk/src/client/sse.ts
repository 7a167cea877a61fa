/** Server-sent events, as the HTML standard reads them. */

export interface ServerSentEvent {
  /** `message` unless it says otherwise. */
  event: string;
  data: string;
}

/** Longest event, in characters. */
const MAX_EVENT_LENGTH = 64 * 1024 ** 2;

/**
 * Reads events from bytes, however they are cut. An event that lacks its blank line at the end is none.
 * @throws RangeError for an endless event.
 */
export class EventReader {
  readonly #decoder = new TextDecoder();
  /** What follows the last whole line. */
  #rest = "";
  #endedWithCr = false;
  #event = "";
  #data: string[] = [];
  #length = 0;

  /** The events that these bytes complete. */
  push(bytes: Uint8Array): ServerSentEvent[] {
    let text = this.#decoder.decode(bytes, { stream: true });
    if (text === "") return [];
    // CR and LF of one line end may come apart.
    if (this.#endedWithCr && text.startsWith("\n")) text = text.slice(1);
    this.#endedWithCr = text.endsWith("\r");
    const [first = "", ...others] = text.split(/\r\n|\r|\n/);
    const lines = [this.#rest + first, ...others];
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length + this.#length > MAX_EVENT_LENGTH) throw new RangeError("An event has no end.");
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
