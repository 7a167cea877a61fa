import type { Expr, Rules } from "./expression.ts";
import {
  GrammarCheckError,
  type GrammarSymbol,
  type LoweredGrammar,
  type LoweredRule,
} from "./lowered-grammar.ts";
import { MAX_ENGINE_REPEAT } from "./parser.ts";
import { shortestLengths } from "./shortest-lengths.ts";

/**
 * Expands groups and repetitions to plain rules, exactly as llama.cpp does with the printed grammar, so that the checks
 * here predict llama.cpp's: `S{m,n}` becomes m times S and n − m nested rules, `S*` a right-recursive rule.
 * @throws GrammarCheckError
 */
export function lower(rules: Rules, maxElements: number): LoweredGrammar {
  return new Lowering(rules, maxElements).run();
}

class Lowering {
  readonly #source: Rules;
  readonly #maxElements: number;
  readonly #rules: (LoweredRule | undefined)[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #chars = new Map<number, GrammarSymbol>();
  #elements = 0;

  constructor(source: Rules, maxElements: number) {
    this.#source = source;
    this.#maxElements = maxElements;
  }

  run(): LoweredGrammar {
    for (const [name, expr] of this.#source) {
      const number = this.#numberOf(name);
      this.#rules[number] = { name, alternatives: this.#alternatives(expr, name), repetition: false };
    }
    const root = this.#numbers.get("root");
    if (root === undefined) throw new GrammarCheckError("there is no rule root", "a rule named root");
    const rules = this.#rules as LoweredRule[];
    return { rules, root, shortest: shortestLengths(rules) };
  }

  #alternatives(expr: Expr, name: string): GrammarSymbol[][] {
    const options = expr.kind === "alt" ? expr.options : [expr];
    this.#count(options.length);
    return options.map((option) => this.#sequence(option, name));
  }

  #sequence(expr: Expr, name: string): GrammarSymbol[] {
    if (expr.kind !== "seq") return this.#item(expr, name);
    return expr.items.flatMap((item) => this.#item(item, name));
  }

  #item(expr: Expr, name: string): GrammarSymbol[] {
    switch (expr.kind) {
      case "text":
        return [...expr.text].map((char) => this.#char(char.codePointAt(0)!));
      case "set":
        this.#count(expr.set.length);
        return [{ set: expr.set }];
      case "ref": {
        if (!this.#source.has(expr.name)) {
          throw new GrammarCheckError(`rule ${expr.name} is not defined`, "the name of a rule", expr.at);
        }
        this.#count(1);
        return [{ rule: this.#numberOf(expr.name) }];
      }
      case "repeat":
        return this.#repeat(expr, name);
      default: {
        const number = this.#add({ name, alternatives: [], repetition: false });
        this.#rules[number]!.alternatives = this.#alternatives(expr, name);
        this.#count(1);
        return [{ rule: number }];
      }
    }
  }

  #repeat(expr: Extract<Expr, { kind: "repeat" }>, name: string): GrammarSymbol[] {
    const { min, max, at } = expr;
    const before = this.#rules.length;
    const grouped = expr.item.kind === "alt" || expr.item.kind === "seq" || expr.item.kind === "repeat";
    const item = grouped ? this.#group(expr.item, name) : this.#item(expr.item, name);
    const addedRules = grouped ? Math.max(1, this.#rules.length - before) : 1;
    const times = max !== null && max > 0 ? max : Math.max(1, min);
    if (min > MAX_ENGINE_REPEAT || addedRules * times > MAX_ENGINE_REPEAT) {
      const most = Math.floor(MAX_ENGINE_REPEAT / addedRules);
      throw new GrammarCheckError("the repetition is too large", `at most ${most} times`, at);
    }
    this.#count(item.length * Math.max(0, min - 1));
    const result: GrammarSymbol[] = [];
    for (let i = 0; i < min; i++) for (const symbol of item) result.push(symbol);
    const tail = this.#optionalTail(item, max === null ? null : max - min, name, at);
    if (tail !== null) result.push({ rule: tail });
    return result;
  }

  /** The rule for the optional items after the required ones; null when there are none. */
  #optionalTail(item: GrammarSymbol[], count: number | null, name: string, at?: number): number | null {
    let last: number | null = null;
    for (let i = 0; i < (count ?? 1); i++) {
      const number = this.#add({ name, alternatives: [], repetition: true, at });
      const next = count === null ? number : last;
      this.#count(item.length + 2);
      this.#rules[number]!.alternatives = [next === null ? item : [...item, { rule: next }], []];
      last = number;
    }
    return last;
  }

  #group(expr: Expr, name: string): GrammarSymbol[] {
    const number = this.#add({ name, alternatives: [], repetition: false });
    this.#rules[number]!.alternatives = this.#alternatives(expr, name);
    return [{ rule: number }];
  }

  #char(codePoint: number): GrammarSymbol {
    this.#count(1);
    let symbol = this.#chars.get(codePoint);
    if (symbol === undefined) {
      symbol = { set: [codePoint, codePoint] };
      this.#chars.set(codePoint, symbol);
    }
    return symbol;
  }

  #numberOf(name: string): number {
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = this.#add(undefined);
      this.#numbers.set(name, number);
    }
    return number;
  }

  #add(rule: LoweredRule | undefined): number {
    return this.#rules.push(rule) - 1;
  }

  #count(elements: number): void {
    this.#elements += elements;
    if (this.#elements > this.#maxElements) {
      throw new GrammarCheckError(
        "the grammar is too large",
        `at most ${this.#maxElements} symbols, repetitions written out`,
      );
    }
  }
}
