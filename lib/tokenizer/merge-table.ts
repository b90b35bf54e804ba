import { TokenizerError } from "../errors.js";
import type { Steps } from "./time-slices.js";
import { mixHash, tableSize, type Vocabulary } from "./vocabulary.js";

/** Pairs of token strings by rank, made when asked for. */
export interface MergeList {
  readonly length: number;
  /** The pair of a rank below `length`; throws when what is stored is not a pair. */
  at(rank: number): readonly [string, string];
}

/** Rank of a pair that does not merge. */
export const NO_MERGE = 0x7fffffff;

/** The merges of a BPE model: pair of ids to rank and to the merged id. */
export class MergeTable {
  /** Per slot: left id + 1 (0 when empty), right id, rank, merged id. */
  private readonly slots: Int32Array;
  private readonly mask: number;

  private constructor(count: number) {
    const size = tableSize(count);
    this.slots = new Int32Array(size * 4);
    this.mask = size - 1;
  }

  /** A pair listed twice has its last rank, as in the reference. `prefix`: the continuing-subword prefix. */
  static *build(vocabulary: Vocabulary, merges: MergeList, prefix: string): Steps<MergeTable> {
    const table = new MergeTable(merges.length);
    for (let rank = 0; rank < merges.length; rank++) {
      const [left, right] = merges.at(rank);
      const leftId = idOfPart(vocabulary, left, rank);
      const rightId = idOfPart(vocabulary, right, rank);
      const mergedId = idOfPart(vocabulary, left + right.slice(prefix.length), rank);
      table.add(leftId, rightId, rank, mergedId);
      if (rank % 256 === 0) yield;
    }
    return table;
  }

  /** Index of the slot of a pair, or of the empty slot where it would be. */
  private slotOf(left: number, right: number): number {
    let slot = mixHash(Math.imul(left, 0x9e3779b1) ^ right) & this.mask;
    for (;;) {
      const key = this.slots[slot * 4]!;
      if (key === 0 || (key === left + 1 && this.slots[slot * 4 + 1] === right)) return slot * 4;
      slot = (slot + 1) & this.mask;
    }
  }

  private add(left: number, right: number, rank: number, merged: number): void {
    const slot = this.slotOf(left, right);
    this.slots[slot] = left + 1;
    this.slots[slot + 1] = right;
    this.slots[slot + 2] = rank;
    this.slots[slot + 3] = merged;
  }

  /** Rank of a pair; lower merges first. `NO_MERGE` when it does not merge. */
  rankOf(left: number, right: number): number {
    const slot = this.slotOf(left, right);
    return this.slots[slot] === 0 ? NO_MERGE : this.slots[slot + 2]!;
  }

  /** The id a pair merges to; the pair must merge. */
  mergedIdOf(left: number, right: number): number {
    return this.slots[this.slotOf(left, right) + 3]!;
  }
}

function idOfPart(vocabulary: Vocabulary, token: string, rank: number): number {
  const id = vocabulary.idOf(token);
  if (id >= 0) return id;
  const shown = JSON.stringify(token.slice(0, 40));
  const message = `Expected the tokens of merge ${rank} in the vocabulary but ${shown} is not there`;
  throw new TokenizerError(message, { field: "model.merges", rank, token });
}
