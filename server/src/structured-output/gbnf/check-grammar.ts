import { GrammarCheckError, type LoweredGrammar, type LoweredRule } from "./lowered-grammar.ts";

/** Bounds on the cost of the engine's own check for left recursion, which visits a rule once for every path to it. */
const MAX_VISITS = 2_000_000;
const MAX_LEFT_DEPTH = 5_000;

/**
 * Refuses grammars that make the engine loop or crash: left recursion, rules without a finite output.
 * @throws GrammarCheckError
 */
export function checkGrammar(grammar: LoweredGrammar): void {
  checkProductive(grammar);
  checkLeftRecursion(grammar);
}

/** Bytes of the longest shortest output: a grammar that needs more is a mistake or an attack. */
const MAX_SHORTEST = 1_000_000;

function checkProductive({ rules, root, shortest }: LoweredGrammar): void {
  const endless = rules.find((_, number) => shortest[number] === Number.POSITIVE_INFINITY);
  if (endless !== undefined) {
    const problem = `rule ${endless.name} never ends`;
    throw new GrammarCheckError(problem, "an alternative without recursion", endless.at, endless.name);
  }
  if (shortest[root]! > MAX_SHORTEST) {
    throw new GrammarCheckError("every output is too long", `one of at most ${MAX_SHORTEST} bytes`);
  }
}

/** For each rule the rules that can come first in it, once for each position. */
function leftmostRules(rules: readonly LoweredRule[], nullable: readonly boolean[]): number[][] {
  return rules.map(({ alternatives }) => {
    const first: number[] = [];
    for (const symbols of alternatives) {
      for (const symbol of symbols) {
        if (!("rule" in symbol)) break;
        first.push(symbol.rule);
        if (!nullable[symbol.rule]) break;
      }
    }
    return first;
  });
}

function checkLeftRecursion({ rules, shortest }: LoweredGrammar): void {
  const nullable = shortest.map((length) => length === 0);
  const trueEdges = leftmostRules(rules, nullable);
  const direct = rules.map(({ alternatives }) => alternatives.some((symbols) => symbols.length === 0));
  // The engine's check regards only rules with an empty alternative of their own as nullable.
  const engineEdges = leftmostRules(rules, direct);
  const refuse = (number: number): never => {
    const rule = rules[number]!;
    if (rule.repetition) {
      throw new GrammarCheckError(
        "what is repeated can be empty",
        "something that cannot",
        rule.at,
        rule.name,
      );
    }
    const expected = "another item before the recursion";
    throw new GrammarCheckError(`rule ${rule.name} is left-recursive`, expected, rule.at, rule.name);
  };
  for (const cycle of stronglyConnectedComponents(trueEdges)) {
    const number = cycle.find((rule) => !rules[rule]!.repetition) ?? cycle[0]!;
    if (cycle.length > 1) refuse(number);
    if (!trueEdges[number]!.includes(number)) continue;
    // A repetition recurses only at its own end (tail recursion), which does not grow the engine's stacks.
    if (!rules[number]!.repetition || engineEdges[number]!.includes(number)) refuse(number);
  }
  checkEngineWalk(rules, engineEdges);
}

/** Refuses grammars for which the engine's recursive walk over leftmost rules takes too long or overflows its stack. */
function checkEngineWalk(rules: readonly LoweredRule[], edges: readonly number[][]): void {
  const visits = new Float64Array(rules.length);
  const depth = new Int32Array(rules.length);
  let total = 0;
  // In this order (reverse topological) every leftmost rule of a rule precedes the rule.
  for (const [rule] of stronglyConnectedComponents(edges) as [number][]) {
    visits[rule] = 1;
    for (const first of edges[rule]!) {
      visits[rule]! += visits[first]!;
      depth[rule] = Math.max(depth[rule]!, depth[first]! + 1);
    }
    total += visits[rule]!;
    if (total > MAX_VISITS || depth[rule]! > MAX_LEFT_DEPTH) {
      const { name, at } = rules[rule]!;
      throw new GrammarCheckError("too many rules begin with rules", "fewer alternatives", at, name);
    }
  }
}

/** Strongly connected components by Tarjan's algorithm, iterative; in reverse topological order. */
export function stronglyConnectedComponents(edges: readonly (readonly number[])[]): number[][] {
  const index = new Int32Array(edges.length).fill(-1);
  const low = new Int32Array(edges.length);
  const open = new Uint8Array(edges.length);
  const stack: number[] = [];
  const found: number[][] = [];
  let next = 0;
  for (let start = 0; start < edges.length; start++) {
    if (index[start] !== -1) continue;
    const work: { node: number; edge: number }[] = [{ node: start, edge: 0 }];
    while (work.length > 0) {
      const frame = work.at(-1)!;
      const { node } = frame;
      if (frame.edge === 0 && index[node] === -1) {
        index[node] = low[node] = next++;
        open[node] = 1;
        stack.push(node);
      }
      const target = edges[node]![frame.edge++];
      if (target !== undefined) {
        if (index[target] === -1) work.push({ node: target, edge: 0 });
        else if (open[target]) low[node] = Math.min(low[node]!, index[target]!);
        continue;
      }
      work.pop();
      const parent = work.at(-1);
      if (parent) low[parent.node] = Math.min(low[parent.node]!, low[node]!);
      if (low[node] === index[node]) found.push(popComponent(stack, open, node));
    }
  }
  return found;
}

function popComponent(stack: number[], open: Uint8Array, root: number): number[] {
  const component = stack.splice(stack.lastIndexOf(root));
  for (const node of component) open[node] = 0;
  return component;
}
