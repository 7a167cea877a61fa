import { type Expr, mapRefs, type Rules, refsOf } from "../gbnf/expression.ts";

/**
 * Removes alternatives without a finite text, resolves aliases, and keeps only the rules that `root` uses.
 * @returns null when `root` itself matches no finite text.
 */
export function simplifyRules(rules: Rules): Rules | null {
  const productive = findProductive(rules);
  if (!productive.has("root")) return null;
  const aliases = new Map<string, string>();
  const pruned: Rules = new Map();
  for (const [name, expr] of rules) {
    if (!productive.has(name)) continue;
    const body = mapRefs(expr, (inner) => (productive.has(inner) ? inner : null));
    pruned.set(name, body);
    if (body.kind === "ref" && name !== "root") aliases.set(name, body.name);
  }
  const target = (name: string): string => {
    let at = name;
    // An alias of itself would not be productive.
    for (let next = aliases.get(at); next !== undefined; next = aliases.get(at)) at = next;
    return at;
  };
  const finished: Rules = new Map();
  const pending = ["root"];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (finished.has(name)) continue;
    const body = mapRefs(pruned.get(name)!, target);
    finished.set(name, body);
    pending.push(...refsOf(body).reverse());
  }
  return finished;
}

/** The rules that match at least one finite text. */
export function findProductive(rules: Rules): Set<string> {
  const users = new Map<string, Set<string>>();
  for (const [name, expr] of rules) {
    for (const used of refsOf(expr)) {
      if (!users.has(used)) users.set(used, new Set());
      users.get(used)!.add(name);
    }
  }
  const found = new Set<string>();
  const queue = [...rules.keys()];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (found.has(name) || !isProductive(rules.get(name)!, found)) continue;
    found.add(name);
    for (const user of users.get(name) ?? []) queue.push(user);
  }
  return found;
}

function isProductive(expr: Expr, known: ReadonlySet<string>): boolean {
  switch (expr.kind) {
    case "ref":
      return known.has(expr.name);
    case "seq":
      return expr.items.every((item) => isProductive(item, known));
    case "alt":
      return expr.options.some((option) => isProductive(option, known));
    case "repeat":
      return expr.min === 0 || isProductive(expr.item, known);
    default:
      return true;
  }
}
