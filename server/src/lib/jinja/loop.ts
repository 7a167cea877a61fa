import { TemplateError } from "./errors.ts";
import { Callable, equal, Tuple, Undefined, type Value } from "./values.ts";

/** The variable `loop` of each turn of a loop. */
export class LoopState {
  readonly #items: readonly Value[];
  #at = -1;
  /** The arguments of the last call of `loop.changed`. */
  #lastSeen: Tuple | null = null;

  constructor(items: readonly Value[]) {
    this.#items = items;
  }

  /** The variable of the next turn. */
  next(): Value {
    const at = ++this.#at;
    const items = this.#items;
    const { length } = items;
    const neighbour = (i: number, which: string): Value =>
      i < 0 || i >= length ? new Undefined(`there is no ${which} item`) : items[i]!;
    return new Callable(
      "loop",
      () => {
        throw new TemplateError("The loop must have the 'recursive' marker to be called recursively.");
      },
      new Map<string, Value>([
        ["index", at + 1],
        ["index0", at],
        ["revindex", length - at],
        ["revindex0", length - at - 1],
        ["first", at === 0],
        ["last", at === length - 1],
        ["length", length],
        ["depth", 1],
        ["depth0", 0],
        ["previtem", neighbour(at - 1, "previous")],
        ["nextitem", neighbour(at + 1, "next")],
        ["cycle", new Callable("cycle", ({ positional }) => cycle(positional, at))],
        ["changed", new Callable("changed", ({ positional }) => this.#changed(new Tuple(positional)))],
      ]),
    );
  }

  #changed(seen: Tuple): boolean {
    const changed = this.#lastSeen === null || !equal(this.#lastSeen, seen);
    this.#lastSeen = seen;
    return changed;
  }
}

function cycle(values: readonly Value[], at: number): Value {
  const value = values[at % values.length];
  if (value === undefined) throw new TemplateError("no items for cycling given");
  return value;
}
