/**
 * Indices of the `k` largest values, the largest first; of equal values the one with the lower index first.
 * A binary min-heap of the best k so far: O(n log k), no allocation besides the k indices.
 */
export function topIndices(values: Float32Array | Float64Array, k: number): Int32Array {
  const size = Math.min(k, values.length);
  const heap = new Int32Array(size);
  const worse = (a: number, b: number) => values[a]! < values[b]! || (values[a] === values[b] && a > b);

  /** Puts `index` at `at` or below, in the first `length` places. */
  const sink = (index: number, at: number, length: number) => {
    for (let child = 2 * at + 1; child < length; child = 2 * at + 1) {
      if (child + 1 < length && worse(heap[child + 1]!, heap[child]!)) child++;
      if (!worse(heap[child]!, index)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = index;
  };

  for (let i = 0; i < size; i++) heap[i] = i;
  for (let at = (size >> 1) - 1; at >= 0; at--) sink(heap[at]!, at, size);
  if (size > 0) {
    for (let i = size; i < values.length; i++) if (worse(heap[0]!, i)) sink(i, 0, size);
  }
  // Takes the worst to the back, one by one.
  for (let length = size - 1; length > 0; length--) {
    const worst = heap[0]!;
    sink(heap[length]!, 0, length);
    heap[length] = worst;
  }
  return heap;
}
