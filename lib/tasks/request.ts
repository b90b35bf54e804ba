import type { Sequence } from "../batches.js";
import type { EncodeRequest } from "../native.js";

/** The native request for a batch: sequences end to end, with what is wanted of them. */
export function encodeRequest(
  batch: readonly Sequence[],
  wanted: Omit<EncodeRequest, "ids" | "segments" | "lengths">,
): EncodeRequest {
  const lengths = Int32Array.from(batch, ({ ids }) => ids.length);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const ids = new Int32Array(total);
  const segments = new Int32Array(total);
  let start = 0;
  for (const sequence of batch) {
    ids.set(sequence.ids, start);
    if (sequence.segments) segments.set(sequence.segments, start);
    start += sequence.ids.length;
  }
  return { ids, segments, lengths, ...wanted };
}
