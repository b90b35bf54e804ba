/**
 * Which tokens two sentences share: the longest common stretch, then the same to its left and to its right
 * (Ratcliff and Metzener, "Pattern Matching: The Gestalt Approach", 1988). Python's difflib does it so, and
 * CrowS-Pairs with it.
 */

/** A stretch of the one sentence and a stretch of the other that are equal. */
interface Block {
  readonly a: number;
  readonly b: number;
  readonly size: number;
}

/** Stretches of both sentences, ends exclusive. */
interface Area {
  readonly aFrom: number;
  readonly aTo: number;
  readonly bFrom: number;
  readonly bTo: number;
}

/** Positions of the shared tokens in either sentence. */
export function matchingPositions(a: Int32Array, b: Int32Array): [inA: number[], inB: number[]] {
  const blocks: Block[] = [];
  const areas: Area[] = [{ aFrom: 0, aTo: a.length, bFrom: 0, bTo: b.length }];
  for (let area = areas.pop(); area !== undefined; area = areas.pop()) {
    const block = longestMatch(a, b, area);
    if (block.size === 0) continue;
    blocks.push(block);
    areas.push({ ...area, aTo: block.a, bTo: block.b });
    areas.push({ ...area, aFrom: block.a + block.size, bFrom: block.b + block.size });
  }
  blocks.sort((x, y) => x.a - y.a);
  const positions = (from: "a" | "b") =>
    blocks.flatMap((block) => Array.from({ length: block.size }, (_, i) => block[from] + i));
  return [positions("a"), positions("b")];
}

/** Of several longest ones, the first in `a`, then the first in `b`. */
function longestMatch(a: Int32Array, b: Int32Array, { aFrom, aTo, bFrom, bTo }: Area): Block {
  let best: Block = { a: aFrom, b: bFrom, size: 0 };
  // Length of the common stretch that ends at each place of b, for the places of a so far.
  let lengths = new Int32Array(b.length + 1);
  for (let i = aFrom; i < aTo; i++) {
    const next = new Int32Array(b.length + 1);
    for (let j = bFrom; j < bTo; j++) {
      if (a[i] !== b[j]) continue;
      const size = (next[j + 1] = lengths[j]! + 1);
      if (size > best.size) best = { a: i - size + 1, b: j - size + 1, size };
    }
    lengths = next;
  }
  return best;
}
