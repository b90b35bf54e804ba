/**
 * The merging of BPE: while a pair of neighbours has a rank, the pair of lowest rank merges, the leftmost first.
 * Two ways with one result: scanning for short words, a heap for long ones.
 */
import { NO_MERGE, type MergeTable } from "./merge-table.js";
import type { Symbols } from "./symbols.js";
import type { Steps } from "./time-slices.js";

/** Rank of each symbol with its right neighbour, for `mergeShort`. */
const ranks = new Int32Array(256);

/** Merges in place; at most 256 symbols. Quadratic, and faster than a heap while the word is short. */
export function mergeShort(symbols: Symbols, merges: MergeTable): void {
  const { ids, starts, ends } = symbols;
  let count = symbols.count;
  for (let i = 0; i + 1 < count; i++) ranks[i] = merges.rankOf(ids[i]!, ids[i + 1]!);
  for (;;) {
    let best = NO_MERGE;
    let at = -1;
    for (let i = 0; i + 1 < count; i++) {
      if (ranks[i]! < best) {
        best = ranks[i]!;
        at = i;
      }
    }
    if (at < 0) break;
    ids[at] = merges.mergedIdOf(ids[at]!, ids[at + 1]!);
    ends[at] = ends[at + 1]!;
    count--;
    for (let i = at + 1; i < count; i++) {
      ids[i] = ids[i + 1]!;
      starts[i] = starts[i + 1]!;
      ends[i] = ends[i + 1]!;
      ranks[i] = ranks[i + 1]!;
    }
    if (at + 1 < count) ranks[at] = merges.rankOf(ids[at]!, ids[at + 1]!);
    if (at > 0) ranks[at - 1] = merges.rankOf(ids[at - 1]!, ids[at]!);
  }
  symbols.count = count;
}

/** Heap keys are rank * POSITIONS + position: ordered by rank, then from the left, and exact in a double. */
const POSITIONS = 2 ** 28;

/** Min-heap of doubles. */
class Heap {
  private keys = new Float64Array(64);
  size = 0;

  push(key: number): void {
    if (this.size === this.keys.length) {
      const larger = new Float64Array(this.size * 2);
      larger.set(this.keys);
      this.keys = larger;
    }
    const keys = this.keys;
    let at = this.size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (keys[parent]! <= key) break;
      keys[at] = keys[parent]!;
      at = parent;
    }
    keys[at] = key;
  }

  pop(): number {
    const keys = this.keys;
    const top = keys[0]!;
    const last = keys[--this.size]!;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= this.size) break;
      if (child + 1 < this.size && keys[child + 1]! < keys[child]!) child++;
      if (keys[child]! >= last) break;
      keys[at] = keys[child]!;
      at = child;
    }
    keys[at] = last;
    return top;
  }
}

/** Merges in place, O(n log n), yielding often. */
export function* mergeInSteps(symbols: Symbols, merges: MergeTable): Steps<void> {
  const { ids, count } = symbols;
  const heap = new Heap();
  // Symbols as a linked list; a merged-away symbol has id -1.
  const next = new Int32Array(count);
  const previous = new Int32Array(count);
  const pushPair = (at: number): void => {
    const rank = merges.rankOf(ids[at]!, ids[next[at]!]!);
    if (rank !== NO_MERGE) heap.push(rank * POSITIONS + at);
  };
  for (let i = 0; i < count; i++) {
    next[i] = i + 1 < count ? i + 1 : -1;
    previous[i] = i - 1;
    if (i + 1 < count) pushPair(i);
    if (i % 1024 === 0) yield;
  }
  for (let popped = 0; heap.size > 0; popped++) {
    if (popped % 512 === 0) yield;
    const key = heap.pop();
    const at = key % POSITIONS;
    const right = next[at]!;
    // Entries whose pair is gone are left in the heap and recognized here.
    if (ids[at] === -1 || right < 0) continue;
    if (merges.rankOf(ids[at]!, ids[right]!) !== (key - at) / POSITIONS) continue;
    ids[at] = merges.mergedIdOf(ids[at]!, ids[right]!);
    ids[right] = -1;
    symbols.ends[at] = symbols.ends[right]!;
    next[at] = next[right]!;
    if (next[at]! >= 0) {
      previous[next[at]!] = at;
      pushPair(at);
    }
    if (previous[at]! >= 0) pushPair(previous[at]!);
  }
  yield* compact(symbols);
}

/** Closes the gaps of merged-away symbols. */
function* compact(symbols: Symbols): Steps<void> {
  const { ids, starts, ends, count } = symbols;
  let to = 0;
  for (let i = 0; i < count; i++) {
    if (i % 8192 === 0) yield;
    if (ids[i] === -1) continue;
    ids[to] = ids[i]!;
    starts[to] = starts[i]!;
    ends[to] = ends[i]!;
    to++;
  }
  symbols.count = to;
}
