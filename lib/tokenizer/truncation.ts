/** How two sequences share the room there is, and the windows that what does not fit is cut into. */
import { InputTooLongError } from "../errors.js";

/**
 * Which sequence loses tokens: `longest_first` the longer until both fit, `only_first` and `only_second` that one,
 * `none` refuses.
 */
export type TruncationStrategy = "longest_first" | "only_first" | "only_second" | "none";

/**
 * Tokens each sequence keeps. `room`: tokens that fit besides special tokens; `special`: the number of those, for the
 * error.
 *
 * @throws InputTooLongError when the strategy cannot make them fit.
 */
export function shareRoom(
  lengths: readonly number[],
  room: number,
  special: number,
  strategy: TruncationStrategy,
): number[] {
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (total <= room) return [...lengths];
  if (strategy === "longest_first") return lengths.length === 1 ? [room] : shareLongestFirst(lengths, room);
  const cut = strategy === "only_first" ? 0 : strategy === "only_second" ? 1 : -1;
  const kept = cut < 0 || cut >= lengths.length ? -1 : lengths[cut]! - (total - room);
  if (kept <= 0) throw tooLong(total + special, room + special, strategy);
  return lengths.map((length, i) => (i === cut ? kept : length));
}

function shareLongestFirst(lengths: readonly number[], room: number): number[] {
  const shorter = Math.min(lengths[0]!, lengths[1]!);
  let small = shorter;
  let large = shorter > room ? shorter : Math.max(shorter, room - shorter);
  if (small + large > room) {
    small = Math.floor(room / 2);
    large = small + (room % 2);
  }
  return lengths[0]! > lengths[1]! ? [large, small] : [small, large];
}

function tooLong(length: number, limit: number, strategy: TruncationStrategy): InputTooLongError {
  const hint = strategy === "none" ? "" : ` and truncation "${strategy}" cannot shorten it enough`;
  return new InputTooLongError(`Expected at most ${limit} tokens but the input has ${length}${hint}`, {
    length,
    limit,
  });
}

/** A stretch of a sequence's tokens. */
export interface TokenWindow {
  from: number;
  to: number;
}

/**
 * Windows over a sequence of `length` tokens: each has `size` tokens, of which the first `stride` are the last of the
 * one before. The first is what truncation keeps, the others overflow. A `stride` of `size` or more counts as size - 1.
 */
export function windowsOf(length: number, size: number, stride: number): TokenWindow[] {
  if (size >= length) return [{ from: 0, to: length }];
  if (size === 0) return [{ from: 0, to: 0 }];
  const step = size - Math.min(stride, size - 1);
  const windows: TokenWindow[] = [];
  for (let from = 0; ; from += step) {
    const to = Math.min(from + size, length);
    windows.push({ from, to });
    if (to === length) return windows;
  }
}
