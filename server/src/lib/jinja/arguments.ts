import { TemplateError } from "./errors.ts";
import { type CallArguments, numberOf, requireDefined, str, typeName, type Value } from "./values.ts";

/** The arguments of a call by their parameters' names; those that are not given are absent. */
export class Arguments {
  readonly #name: string;
  readonly #values = new Map<string, Value>();

  /** @throws TemplateError for more arguments than parameters, an unknown name, or one argument twice. */
  constructor(name: string, parameters: readonly string[], { positional, keywords }: CallArguments) {
    this.#name = name;
    if (positional.length > parameters.length) {
      throw new TemplateError(
        `${name}() takes ${parameters.length} arguments but ${positional.length} were given`,
      );
    }
    for (const [i, value] of positional.entries()) this.#values.set(parameters[i]!, value);
    for (const [key, value] of keywords) {
      if (!parameters.includes(key))
        throw new TemplateError(`${name}() got an unexpected keyword argument '${key}'`);
      if (this.#values.has(key))
        throw new TemplateError(`${name}() got multiple values for argument '${key}'`);
      this.#values.set(key, value);
    }
  }

  get(parameter: string): Value | undefined {
    return this.#values.get(parameter);
  }

  /** None stays None. */
  getOr(parameter: string, fallback: Value): Value {
    const value = this.#values.get(parameter);
    return value === undefined ? fallback : value;
  }

  required(parameter: string): Value {
    const value = this.#values.get(parameter);
    if (value === undefined) throw new TemplateError(`${this.#name}() misses the argument '${parameter}'`);
    return value;
  }

  /** An integer; `fallback` when it is absent or None. */
  integer(parameter: string, fallback: number): number {
    const value = this.#values.get(parameter) ?? null;
    if (value === null) return fallback;
    const number = numberOf(value);
    if (number === null || !Number.isInteger(number)) throw this.#wrongType(parameter, value);
    return number;
  }

  /** A text; `fallback` when it is absent or None. */
  text(parameter: string, fallback: string): string {
    return this.#values.get(parameter) == null ? fallback : this.requiredText(parameter);
  }

  requiredText(parameter: string): string {
    const value = this.required(parameter);
    requireDefined(value);
    if (typeof value !== "string") throw this.#wrongType(parameter, value);
    return value;
  }

  /** The text of any value, as filters read it. */
  anyText(parameter: string, fallback: string): string {
    const value = this.#values.get(parameter);
    return value === undefined ? fallback : str(value);
  }

  #wrongType(parameter: string, value: Value): TemplateError {
    return new TemplateError(`${this.#name}(): '${parameter}' can't be ${typeName(value)}`);
  }
}
