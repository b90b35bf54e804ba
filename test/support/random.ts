/** A seeded generator of numbers in [0, 1): mulberry32. The same seed gives the same numbers everywhere. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Roughly normal numbers of mean 0 and standard deviation 1: the sum of four uniform ones, scaled. */
export function gaussian(next: () => number): () => number {
  const scale = Math.sqrt(3);
  return () => (next() + next() + next() + next() - 2) * scale;
}

/** An integer in [0, limit). */
export function integer(next: () => number, limit: number): number {
  return Math.floor(next() * limit);
}
