import { type CharSet, fromRanges, intersect, UNICODE } from "../gbnf/char-set.ts";
import type { Automaton } from "./nfa.ts";

export interface DfaState {
  accepts: boolean;
  /** Disjoint sets. */
  edges: { set: CharSet; to: number }[];
}

/** A deterministic automaton from whose every state an accepted text can be finished; it starts in state 0. */
export type Dfa = DfaState[];

/** A larger automaton than this is too complex. */
export const MAX_DFA_STATES = 2_500;
/** Steps taken while one is built. */
const MAX_STEPS = 400_000;

/**
 * The texts that all the machines accept.
 * @returns "empty" when there is none, null when the automaton would be too large.
 */
export function intersectAutomata(machines: readonly Automaton[]): Dfa | "empty" | null {
  const atoms = atomsOf(machines);
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
  intern(machines.map((machine) => machine.start));
  for (let at = 0; at < tuples.length; at++) {
    if (tuples.length > MAX_DFA_STATES || at * atoms.length * machines.length > MAX_STEPS) return null;
    const tuple = tuples[at]!;
    const targets = new Int32Array(atoms.length).fill(-1);
    for (let atom = 0; atom < atoms.length; atom++) {
      const next = stepAll(machines, tuple, atoms[atom]![0]!);
      if (next !== null) targets[atom] = intern(next);
    }
    states.push({ accepts: machines.every((machine, i) => machine.accepts(tuple[i]!)), targets });
  }
  return minimize(states, atoms);
}

function stepAll(
  machines: readonly Automaton[],
  tuple: readonly number[],
  codePoint: number,
): number[] | null {
  const next: number[] = [];
  for (let i = 0; i < machines.length; i++) {
    const state = machines[i]!.step(tuple[i]!, codePoint);
    if (state === -1) return null;
    next.push(state);
  }
  return next;
}

/** The ranges of code points that no machine tells apart. */
function atomsOf(machines: readonly Automaton[]): [number, number][] {
  const cuts = new Set(machines.flatMap((machine) => machine.boundaries));
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

/** Drops the states that lead nowhere and joins those that accept the same. */
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

/** Moore's refinement: states stay in one group as long as nothing tells them apart. */
function refinePartition(states: readonly RawState[], distances: Int32Array): Int32Array {
  // States that accept the same end after the same number of characters, so they start apart by that.
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
        // Numbers the pairs of what was seen so far and the next target's group, one after the other.
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
    // Cut short, states that differ could be joined, so none are.
    if (rounds * states.length * columns.length > MAX_STEPS * 4) return Int32Array.from(states.keys());
  }
  return groups;
}

/** More than there are groups. */
const MAX_GROUPS = 2 ** 20;

/** One atom of each kind that leads to the same states from everywhere. */
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
