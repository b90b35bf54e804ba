/** Pieces of a word: ids, and the units of the word each spans (a byte spans its whole character). */
export interface Symbols {
  count: number;
  ids: Int32Array;
  starts: Int32Array;
  ends: Int32Array;
}

export function newSymbols(capacity: number): Symbols {
  return {
    count: 0,
    ids: new Int32Array(capacity),
    starts: new Int32Array(capacity),
    ends: new Int32Array(capacity),
  };
}
