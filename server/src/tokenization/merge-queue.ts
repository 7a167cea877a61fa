/** A merge that can be made: the binary heap's order is rank, then position. */
export class MergeQueue {
  /** Rank and position as one number: ranks are below 2^22, positions below 2^30. */
  #keys: number[] = [];
  #results: number[] = [];

  /** Position and result of the merge that `pop` took last. */
  position = 0;
  result = 0;

  push(rank: number, position: number, result: number): void {
    const key = rank * POSITIONS + position;
    const keys = this.#keys;
    const results = this.#results;
    let at = keys.length;
    keys.push(key);
    results.push(result);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (keys[parent]! <= key) break;
      keys[at] = keys[parent]!;
      results[at] = results[parent]!;
      at = parent;
    }
    keys[at] = key;
    results[at] = result;
  }

  /** Takes the first merge; false when none is left. */
  pop(): boolean {
    const keys = this.#keys;
    const results = this.#results;
    if (keys.length === 0) return false;
    this.position = keys[0]! % POSITIONS;
    this.result = results[0]!;
    const key = keys.pop()!;
    const result = results.pop()!;
    const size = keys.length;
    if (size === 0) return true;
    let at = 0;
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && keys[child + 1]! < keys[child]!) child++;
      if (keys[child]! >= key) break;
      keys[at] = keys[child]!;
      results[at] = results[child]!;
      at = child;
    }
    keys[at] = key;
    results[at] = result;
    return true;
  }
}

const POSITIONS = 2 ** 30;
