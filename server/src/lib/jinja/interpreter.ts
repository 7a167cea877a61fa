import { TemplateError } from "./errors.ts";
import { applyFilter } from "./filters.ts";
import { LoopState } from "./loop.ts";
import { getAttribute, getItem, getSlice } from "./members.ts";
import type {
  Argument,
  Call,
  CallBlock,
  Expression,
  For,
  Member,
  Name,
  Parameter,
  SetBlock,
  Statement,
} from "./nodes.ts";
import { applyBinary, applySign } from "./operators.ts";
import { NEGATED_TEST, TEST } from "./parse-template.ts";
import { runTest } from "./tests.ts";
import { checkTextLength } from "./texts.ts";
import {
  type CallArguments,
  Callable,
  Dict,
  Float,
  isTrue,
  iterate,
  Namespace,
  requireDefined,
  str,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

/** Variables of a block; a name that it lacks is looked up in the blocks around it. */
class Scope {
  readonly variables: Map<string, Value>;
  readonly #outer: Scope | null;

  constructor(outer: Scope | null, variables = new Map<string, Value>()) {
    this.#outer = outer;
    this.variables = variables;
  }

  get(name: string): Value {
    for (let scope: Scope | null = this; scope !== null; scope = scope.#outer) {
      const value = scope.variables.get(name);
      if (value !== undefined) return value;
    }
    return new Undefined(`'${name}' is undefined`);
  }
}

class Output {
  text = "";
  write(text: string): void {
    checkTextLength(this.text.length + text.length);
    this.text += text;
  }
}

type LoopExit = "break" | "continue" | null;

const CONSTANTS: ReadonlyMap<string, Value> = new Map<string, Value>([
  ["true", true],
  ["True", true],
  ["false", false],
  ["False", false],
  ["none", null],
  ["None", null],
]);

/** Renders a syntax tree as Jinja2 does: the values, scopes, texts and errors are Python's. */
export class Interpreter {
  #workLeft: number;

  /** @param maxWork most nodes that are evaluated. */
  constructor(maxWork: number) {
    this.#workLeft = maxWork;
  }

  /** @throws TemplateError */
  run(body: readonly Statement[], variables: Map<string, Value>): string {
    return this.#render(body, new Scope(null, variables));
  }

  readonly #work = (): void => {
    if (--this.#workLeft < 0) throw new TemplateError("the template takes too long");
  };

  #render(body: readonly Statement[], scope: Scope): string {
    const out = new Output();
    this.#execute(body, scope, out);
    return out.text;
  }

  #execute(body: readonly Statement[], scope: Scope, out: Output): LoopExit {
    for (const statement of body) {
      const exit = this.#statement(statement, scope, out);
      if (exit !== null) return exit;
    }
    return null;
  }

  #statement(node: Statement, scope: Scope, out: Output): LoopExit {
    this.#work();
    switch (node.type) {
      case "Comment":
        return null;
      case "Break":
        return "break";
      case "Continue":
        return "continue";
      case "If":
        return this.#execute(
          isTrue(this.#evaluate(node.test, scope)) ? node.body : node.alternate,
          scope,
          out,
        );
      case "For":
        this.#loop(node, scope, out);
        return null;
      case "Set":
        this.#set(node, scope);
        return null;
      case "Macro":
        scope.variables.set(node.name.value, this.#macro(node.name.value, node, scope));
        return null;
      case "CallStatement":
        out.write(this.#callBlock(node, scope));
        return null;
      case "FilterStatement":
        out.write(str(this.#filter(this.#render(node.body, new Scope(scope)), node.filter, scope)));
        return null;
      default:
        out.write(str(this.#evaluate(node, scope)));
        return null;
    }
  }

  #loop(node: For, scope: Scope, out: Output): void {
    const { iterable } = node;
    const filtered = iterable.type === "SelectExpression";
    const source = this.#evaluate(filtered ? iterable.lhs : iterable, scope);
    const items: Value[] = [];
    for (const item of iterate(source)) {
      this.#work();
      if (filtered) {
        const inner = new Scope(scope);
        this.#assign(node.loopvar, item, inner);
        if (!isTrue(this.#evaluate(iterable.test, inner))) continue;
      }
      items.push(item);
    }
    if (items.length === 0) {
      this.#execute(node.defaultBlock, new Scope(scope), out);
      return;
    }
    const loop = new LoopState(items);
    for (const item of items) {
      // Each turn has a scope of its own, so that what one turn sets is gone in the next.
      const inner = new Scope(scope, new Map([["loop", loop.next()]]));
      this.#assign(node.loopvar, item, inner);
      if (this.#execute(node.body, inner, out) === "break") break;
    }
  }

  #set(node: SetBlock, scope: Scope): void {
    const value =
      node.value === null ? this.#render(node.body, new Scope(scope)) : this.#evaluate(node.value, scope);
    const { assignee } = node;
    if (assignee.type !== "MemberExpression") {
      this.#assign(assignee, value, scope);
      return;
    }
    const target = this.#evaluate(assignee.object, scope);
    if (!(target instanceof Namespace))
      throw new TemplateError("cannot assign attribute on non-namespace object");
    target.attributes.set((assignee.property as Name).value, value);
  }

  /** Sets a variable, or several ones from the items of the value. */
  #assign(target: Expression, value: Value, scope: Scope): void {
    if (target.type === "Identifier") {
      scope.variables.set(target.value, value);
      return;
    }
    if (target.type !== "TupleLiteral") throw new TemplateError("can't assign to this expression");
    requireDefined(value);
    const items = [...iterate(value)];
    if (items.length !== target.value.length) {
      throw new TemplateError(`can't unpack ${items.length} values into ${target.value.length}`);
    }
    for (const [i, name] of target.value.entries()) this.#assign(name, items[i]!, scope);
  }

  /** A macro, or the body of a `call` block. It sees the variables of the place where it is defined. */
  #macro(
    name: string,
    { args: parameters, body }: { args: readonly Parameter[]; body: readonly Statement[] },
    scope: Scope,
  ): Callable {
    const usesKeywords = mentions(body, "kwargs");
    const usesPositional = mentions(body, "varargs");
    const names = parameters.map(
      (parameter) => (parameter.type === "Identifier" ? parameter : parameter.key).value,
    );
    return new Callable(name, ({ positional, keywords }) => {
      const inner = new Scope(scope);
      const rest = new Map(keywords);
      if (positional.length > names.length && !usesPositional) {
        throw new TemplateError(`macro '${name}' takes not more than ${names.length} argument(s)`);
      }
      inner.variables.set("caller", rest.get("caller") ?? new Undefined("No caller defined"));
      rest.delete("caller");
      parameters.forEach((parameter, i) => {
        const key = names[i]!;
        let value = positional[i];
        if (value === undefined && rest.has(key)) {
          value = rest.get(key)!;
          rest.delete(key);
        }
        if (value === undefined && parameter.type !== "Identifier")
          value = this.#evaluate(parameter.value, inner);
        inner.variables.set(
          key,
          value === undefined ? new Undefined(`parameter '${key}' was not provided`) : value,
        );
      });
      if (usesKeywords) inner.variables.set("kwargs", Dict.of(rest));
      else if (rest.size > 0) {
        throw new TemplateError(`macro '${name}' takes no keyword argument '${rest.keys().next().value}'`);
      }
      if (usesPositional) inner.variables.set("varargs", new Tuple(positional.slice(names.length)));
      return this.#render(body, inner);
    });
  }

  #callBlock({ call, callerArgs, body }: CallBlock, scope: Scope): string {
    const caller = this.#macro("caller", { args: callerArgs ?? [], body }, scope);
    const { positional, keywords } = this.#arguments(call.args, scope);
    const args = { positional, keywords: new Map([...keywords, ["caller", caller] as const]) };
    return str(callValue(this.#evaluate(call.callee, scope), args));
  }

  #evaluate(node: Expression, scope: Scope): Value {
    this.#work();
    switch (node.type) {
      case "Identifier":
        return this.#name(node.value, scope);
      case "IntegerLiteral":
      case "StringLiteral":
        return node.value;
      case "FloatLiteral":
        return new Float(node.value);
      case "ArrayLiteral":
        return node.value.map((item) => this.#evaluate(item, scope));
      case "TupleLiteral":
        return new Tuple(node.value.map((item) => this.#evaluate(item, scope)));
      case "ObjectLiteral":
        return Dict.of(
          [...node.value].map(
            ([key, value]) => [this.#evaluate(key, scope), this.#evaluate(value, scope)] as const,
          ),
        );
      case "CallExpression":
        return this.#call(node, scope);
      case "MemberExpression":
        return this.#member(node, scope);
      case "FilterExpression":
        return this.#filter(this.#evaluate(node.operand, scope), node.filter, scope);
      case "TestExpression":
        return runTest(node.test.value, this.#evaluate(node.operand, scope), []) !== node.negate;
      case "UnaryExpression": {
        const value = this.#evaluate(node.argument, scope);
        return node.operator.value === "not" ? !isTrue(value) : applySign(node.operator.value, value);
      }
      case "BinaryExpression":
        return this.#binary(node, scope);
      case "SelectExpression":
        if (isTrue(this.#evaluate(node.test, scope))) return this.#evaluate(node.lhs, scope);
        return new Undefined("the inline if-expression evaluated to false and no else section was defined.");
      case "Ternary":
        return this.#evaluate(
          isTrue(this.#evaluate(node.condition, scope)) ? node.trueExpr : node.falseExpr,
          scope,
        );
    }
  }

  #name(name: string, scope: Scope): Value {
    const constant = CONSTANTS.get(name);
    return constant === undefined ? scope.get(name) : constant;
  }

  #binary(node: Extract<Expression, { type: "BinaryExpression" }>, scope: Scope): Value {
    const operator = node.operator.value;
    const left = this.#evaluate(node.left, scope);
    if (operator === "and") return isTrue(left) ? this.#evaluate(node.right, scope) : left;
    if (operator === "or") return isTrue(left) ? left : this.#evaluate(node.right, scope);
    return applyBinary(operator, left, this.#evaluate(node.right, scope));
  }

  #member({ object, property, computed }: Member, scope: Scope): Value {
    const value = this.#evaluate(object, scope);
    if (property.type === "SliceExpression") {
      const bound = (node: Expression | undefined) =>
        node === undefined ? null : this.#evaluate(node, scope);
      return getSlice(value, {
        start: bound(property.start),
        stop: bound(property.stop),
        step: bound(property.step),
      });
    }
    if (computed) return getItem(value, this.#evaluate(property, scope));
    return property.type === "Identifier"
      ? getAttribute(value, property.value)
      : getItem(value, this.#evaluate(property, scope));
  }

  #call({ callee, args }: Call, scope: Scope): Value {
    return callValue(this.#evaluate(callee, scope), this.#arguments(args, scope));
  }

  #arguments(nodes: readonly Argument[], scope: Scope): CallArguments {
    const positional: Value[] = [];
    const keywords = new Map<string, Value>();
    for (const node of nodes) {
      if (node.type === "KeywordArgumentExpression")
        keywords.set(node.key.value, this.#evaluate(node.value, scope));
      else if (node.type === "SpreadExpression")
        positional.push(...iterate(this.#evaluate(node.argument, scope)));
      else if (node.type === "KeywordSpreadExpression") {
        const value = this.#evaluate(node.argument, scope);
        if (!(value instanceof Dict))
          throw new TemplateError(`argument after ** must be a mapping, not ${typeName(value)}`);
        for (const [key, item] of value.entries()) keywords.set(str(key), item);
      } else positional.push(this.#evaluate(node, scope));
    }
    return { positional, keywords };
  }

  #filter(value: Value, filter: Name | Call, scope: Scope): Value {
    if (filter.type === "Identifier") {
      return applyFilter(filter.value, value, { positional: [], keywords: new Map() }, this.#work);
    }
    const name = (filter.callee as Name).value;
    const args = this.#arguments(filter.args, scope);
    // Longest prefix first: "is not " also begins with "is ".
    if (name.startsWith(NEGATED_TEST))
      return !runTest(name.slice(NEGATED_TEST.length), value, args.positional);
    if (name.startsWith(TEST)) return runTest(name.slice(TEST.length), value, args.positional);
    return applyFilter(name, value, args, this.#work);
  }
}

function callValue(value: Value, args: CallArguments): Value {
  requireDefined(value);
  if (!(value instanceof Callable)) throw new TemplateError(`'${typeName(value)}' object is not callable`);
  return value.call(args);
}

/** Whether a variable of this name occurs in the nodes. */
function mentions(node: unknown, name: string): boolean {
  if (typeof node !== "object" || node === null) return false;
  if (node instanceof Map) return [...node].some((entry) => mentions(entry, name));
  const { type, value } = node as { type?: unknown; value?: unknown };
  if (type === "Identifier") return value === name;
  return Object.values(node).some((child) => mentions(child, name));
}
