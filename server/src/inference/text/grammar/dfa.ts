import { type CharSet, fromRanges, intersect, UNICODE } from "./char-set.ts";
import type { Machine } from "./machine.ts";

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
export function intersectMachines(machines: readonly Machine[]): Dfa | "empty" | null {
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
  return finish(states, atoms);
}

function stepAll(machines: readonly Machine[], tuple: readonly number[], codePoint: number): number[] | null {
  const next: number[] = [];
  for (let i = 0; i < machines.length; i++) {
    const state = machines[i]!.step(tuple[i]!, codePoint);
    if (state === -1) return null;
    next.push(state);
  }
  return next;
}

/** The ranges of code points that no machine tells apart. */
function atomsOf(machines: readonly Machine[]): [number, number][] {
  const cuts = new Set(machines.flatMap((machine) => machine.cuts));
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
function finish(states: readonly RawState[], atoms: readonly [number, number][]): Dfa | "empty" {
  const useful = findUseful(states);
  if (!useful[0]) return "empty";
  const groups = joinEqual(states, useful);
  const numbers = new Map<number, number>([[groups[0]!, 0]]);
  const members = [0];
  const dfa: Dfa = [];
  for (let at = 0; at < members.length; at++) {
    const { accepts, targets } = states[members[at]!]!;
    const ranges = new Map<number, [number, number][]>();
    targets.forEach((target, atom) => {
      if (target === -1 || !useful[target]) return;
      const group = groups[target]!;
      let number = numbers.get(group);
      if (number === undefined) {
        number = members.push(target) - 1;
        numbers.set(group, number);
      }
      if (!ranges.has(number)) ranges.set(number, []);
      ranges.get(number)!.push(atoms[atom]!);
    });
    dfa.push({ accepts, edges: [...ranges].map(([to, list]) => ({ set: fromRanges(list), to })) });
  }
  return dfa;
}

function findUseful(states: readonly RawState[]): boolean[] {
  const sources: number[][] = states.map(() => []);
  states.forEach(({ targets }, number) => {
    for (const target of new Set(targets)) if (target !== -1) sources[target]!.push(number);
  });
  const useful = states.map((state) => state.accepts);
  const queue = [...states.keys()].filter((number) => useful[number]);
  for (let at = 0; at < queue.length; at++) {
    for (const source of sources[queue[at]!]!) {
      if (useful[source]) continue;
      useful[source] = true;
      queue.push(source);
    }
  }
  return useful;
}

/** Moore's refinement: states stay in one group as long as nothing tells them apart. */
function joinEqual(states: readonly RawState[], useful: readonly boolean[]): number[] {
  let groups: number[] = states.map((state, number) => (!useful[number] ? 0 : state.accepts ? 1 : 2));
  for (let count = 0, rounds = 0; rounds < states.length; rounds++) {
    const numbers = new Map<string, number>();
    const next = states.map(({ targets }, number) => {
      if (!useful[number]) return 0;
      let key = `${groups[number]}`;
      for (const target of targets) key += `,${target === -1 ? 0 : groups[target]}`;
      let group = numbers.get(key);
      if (group === undefined) {
        group = numbers.size + 1;
        numbers.set(key, group);
      }
      return group;
    });
    groups = next;
    if (numbers.size === count) break;
    count = numbers.size;
    // Long chains split one state a round; what is left joined is joined rightly only at the end, so large ones stay.
    if (rounds * states.length * (states[0]?.targets.length ?? 0) > MAX_STEPS * 4) return [...states.keys()];
  }
  return groups;
}
