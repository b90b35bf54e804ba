/** A trie over the tokens of a vocabulary: all the tokens that begin at a place, from the shortest on. */
import { isPair } from "./aligned-text.js";
import type { Steps } from "./time-slices.js";
import { mixHash, type Vocabulary } from "./vocabulary.js";

const UNITS = 0x10000;

/** Nodes are numbered from 1; edges are found by hash from node and unit, those of the root by unit. */
export class PieceTrie {
  private readonly roots = new Int32Array(UNITS);
  private slots = new Int32Array(1 << 12);
  private mask = this.slots.length - 1;
  private parents = new Int32Array((1 << 11) + 1);
  private units = new Uint16Array(this.parents.length);
  private values = new Int32Array(this.parents.length).fill(-1);
  private count = 0;

  private constructor() {}

  static *build(vocabulary: Vocabulary): Steps<PieceTrie> {
    const trie = new PieceTrie();
    const { units, begins, lengths } = vocabulary.pool;
    let work = 0;
    for (let id = 0; id < vocabulary.idLimit; id++) {
      const length = lengths[id]!;
      if (++work % 256 === 0) yield;
      if (length <= 0) continue;
      let node = 0;
      for (let i = 0; i < length; i++) {
        // Half full at most: probing stays short.
        if (trie.count * 2 >= trie.slots.length) yield* trie.grow();
        if (++work % 4096 === 0) yield;
        node = trie.childOrNew(node, units[begins[id]! + i]!);
      }
      // A string that comes again has its last id.
      trie.values[node] = id;
    }
    return trie;
  }

  /** The node that a unit leads to from `node` (0: the root), or 0 when there is none. */
  child(node: number, unit: number): number {
    if (node === 0) return this.roots[unit]!;
    const { slots, parents, units, mask } = this;
    for (let slot = hashOf(node, unit) & mask; ; slot = (slot + 1) & mask) {
      const found = slots[slot]!;
      if (found === 0 || (parents[found] === node && units[found] === unit)) return found;
    }
  }

  /** The token that ends at a node, or -1. */
  tokenAt(node: number): number {
    return this.values[node]!;
  }

  private childOrNew(parent: number, unit: number): number {
    const found = this.child(parent, unit);
    if (found !== 0) return found;
    const node = ++this.count;
    if (parent === 0) this.roots[unit] = node;
    else this.enter(node, parent, unit);
    this.parents[node] = parent;
    this.units[node] = unit;
    return node;
  }

  private enter(node: number, parent: number, unit: number): void {
    let slot = hashOf(parent, unit) & this.mask;
    while (this.slots[slot] !== 0) slot = (slot + 1) & this.mask;
    this.slots[slot] = node;
  }

  /** Makes room for twice as many nodes. */
  private *grow(): Steps<void> {
    const { parents, units, values } = this;
    this.slots = new Int32Array(this.slots.length * 2);
    this.mask = this.slots.length - 1;
    this.parents = new Int32Array(this.slots.length / 2 + 1);
    this.units = new Uint16Array(this.parents.length);
    this.values = new Int32Array(this.parents.length).fill(-1);
    yield;
    this.parents.set(parents);
    this.units.set(units);
    this.values.set(values);
    yield;
    for (let node = 1; node <= this.count; node++) {
      if (parents[node] !== 0) this.enter(node, parents[node]!, units[node]!);
      if (node % 8192 === 0) yield;
    }
  }
}

function hashOf(node: number, unit: number): number {
  return mixHash((Math.imul(node, 0x9e3779b1) + Math.imul(unit, 0x85ebca6b)) | 0);
}

/** Units of the code point at `at`. */
export function unitsOfCodePoint(units: Uint16Array, at: number, end: number): number {
  return at + 1 < end && isPair(units[at]!, units[at + 1]!) ? 2 : 1;
}
