import { type CharSet, fromRanges, intersect, UNICODE } from "../gbnf/char-set.ts";
import type { Automaton } from "./nfa.ts";

export interface DfaState {
  accepts: boolean;
  /** Disjoint sets. */
  edges: { set: CharSet; to: number }[];
}

/** A deterministic finite automaton without dead states: every state can reach acceptance. It starts in state 0. */
export type Dfa = DfaState[];

/** Larger automata are refused as too complex. */
export const MAX_DFA_STATES = 2_500;
/** Bound on the steps of building one automaton. */
const MAX_STEPS = 400_000;

/**
 * The DFA of the texts that all automata accept: the product construction, minimized.
 * @returns "empty" when there is no such text, null when the DFA would be too large.
 */
export function intersectAutomata(automata: readonly Automaton[]): Dfa | "empty" | null {
  const atoms = atomsOf(automata);
  const states: { accepts: boolean; targets: Int32Array }[] = [];
  const tuples: number[][] = [];
  const numbers = new Map<string, number>();
  const intern = (tuple: number[]): number => {
    const key = tuple.join();
    let number = numbers.get(key);
    if (number === undefined) {
      number = tuples.push(tuple) - 1;
      numbers.set(key, number);
    }
    return number;
  };
  intern(automata.map((automaton) => automaton.start));
  for (let at = 0; at < tuples.length; at++) {
    if (tuples.length > MAX_DFA_STATES || at * atoms.length * automata.length > MAX_STEPS) return null;
    const tuple = tuples[at]!;
    const targets = new Int32Array(atoms.length).fill(-1);
    for (let atom = 0; atom < atoms.length; atom++) {
      const next = stepAll(automata, tuple, atoms[atom]![0]!);
      if (next !== null) targets[atom] = intern(next);
    }
    states.push({ accepts: automata.every((automaton, i) => automaton.accepts(tuple[i]!)), targets });
  }
  return minimize(states, atoms);
}

function stepAll(
  automata: readonly Automaton[],
  tuple: readonly number[],
  codePoint: number,
): number[] | null {
  const next: number[] = [];
  for (let i = 0; i < automata.length; i++) {
    const state = automata[i]!.step(tuple[i]!, codePoint);
    if (state === -1) return null;
    next.push(state);
  }
  return next;
}

/** Splits Unicode into ranges within which no automaton distinguishes code points. */
function atomsOf(automata: readonly Automaton[]): [number, number][] {
  const cuts = new Set(automata.flatMap((automaton) => automaton.boundaries));
  for (let at = 0; at < UNICODE.length; at += 2) cuts.add(UNICODE[at]!).add(UNICODE[at + 1]! + 1);
  const sorted = [...cuts].sort((a, b) => a - b);
  const atoms: [number, number][] = [];
  for (let at = 0; at + 1 < sorted.length; at++) {
    const atom: [number, number] = [sorted[at]!, sorted[at + 1]! - 1];
    if (intersect(atom, UNICODE).length > 0) atoms.push(atom);
  }
  return atoms;
}

type RawState = { accepts: boolean; targets: Int32Array };

/** Drops dead states and joins equivalent ones. */
function minimize(states: readonly RawState[], atoms: readonly [number, number][]): Dfa | "empty" {
  const distances = distancesToEnd(states);
  if (distances[0] === UNREACHED) return "empty";
  const groups = refinePartition(states, distances);
  const numbers = new Map<number, number>([[groups[0]!, 0]]);
  const members = [0];
  const dfa: Dfa = [];
  for (let at = 0; at < members.length; at++) {
    const { accepts, targets } = states[members[at]!]!;
    const ranges = new Map<number, [number, number][]>();
    targets.forEach((target, atom) => {
      if (target === -1 || distances[target] === UNREACHED) return;
      const group = groups[target]!;
      let number = numbers.get(group);
      if (number === undefined) {
        number = members.push(target) - 1;
        numbers.set(group, number);
      }
      const list = ranges.get(number);
      if (list === undefined) ranges.set(number, [atoms[atom]!]);
      else list.push(atoms[atom]!);
    });
    dfa.push({ accepts, edges: [...ranges].map(([to, list]) => ({ set: fromRanges(list), to })) });
  }
  return dfa;
}

const UNREACHED = -1;

/** The length of the shortest text that each state still needs; UNREACHED where it cannot end. */
function distancesToEnd(states: readonly RawState[]): Int32Array {
  const sources: number[][] = states.map(() => []);
  states.forEach(({ targets }, number) => {
    let last = -1;
    for (const target of targets) {
      if (target !== -1 && target !== last) sources[target]!.push(number);
      last = target;
    }
  });
  const distances = new Int32Array(states.length).fill(UNREACHED);
  const queue: number[] = [];
  states.forEach((state, number) => {
    if (!state.accepts) return;
    distances[number] = 0;
    queue.push(number);
  });
  for (let at = 0; at < queue.length; at++) {
    const number = queue[at]!;
    for (const source of sources[number]!) {
      if (distances[source] !== UNREACHED) continue;
      distances[source] = distances[number]! + 1;
      queue.push(source);
    }
  }
  return distances;
}

/** Moore's partition refinement: groups split until the states of each are equivalent. */
function refinePartition(states: readonly RawState[], distances: Int32Array): Int32Array {
  // Equivalent states have the same distance to acceptance, so the first partition is by distance.
  let groups = distances.map((distance) => distance + 1);
  let count = new Set(groups).size;
  const columns = distinctColumns(states);
  for (let rounds = 0; rounds < states.length; rounds++) {
    const next = new Int32Array(states.length);
    const pairs = new Map<number, number>();
    for (const [number, { targets }] of states.entries()) {
      if (distances[number] === UNREACHED) continue;
      let group = groups[number]!;
      for (const column of columns) {
        const target = targets[column]!;
        // Folds the target groups into one number: each step numbers the pair of the number so far and the next group.
        const key = group * MAX_GROUPS + (target === -1 ? 0 : groups[target]!);
        let pair = pairs.get(key);
        if (pair === undefined) {
          pair = pairs.size + MAX_GROUPS;
          pairs.set(key, pair);
        }
        group = pair;
      }
      next[number] = group;
    }
    const numbers = new Map<number, number>([[0, 0]]);
    groups = next.map((group) => {
      const known = numbers.get(group) ?? numbers.size;
      numbers.set(group, known);
      return known;
    });
    if (numbers.size === count) break;
    count = numbers.size;
    // An unfinished refinement could join states that differ, so this joins none.
    if (rounds * states.length * columns.length > MAX_STEPS * 4) return Int32Array.from(states.keys());
  }
  return groups;
}

/** Above the largest number of groups. */
const MAX_GROUPS = 2 ** 20;

/** One representative of each class of atoms that lead to the same target from every state. */
function distinctColumns(states: readonly RawState[]): number[] {
  const atoms = states[0]!.targets.length;
  let kinds = new Int32Array(atoms);
  for (const { targets } of states) {
    const numbers = new Map<number, number>();
    kinds = kinds.map((kind, atom) => {
      const key = kind * MAX_GROUPS + targets[atom]! + 1;
      const known = numbers.get(key) ?? numbers.size;
      numbers.set(key, known);
      return known;
    });
  }
  return [...new Set(kinds)].map((kind) => kinds.indexOf(kind));
}
