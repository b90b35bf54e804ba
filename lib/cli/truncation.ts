import type { Truncation } from "../inputs.js";

/**
 * Says on standard error which texts lost tokens. `first` is how many texts came before those that the
 * indices count from.
 */
export function reportTruncation(truncations: readonly Truncation[], first: number): void {
  for (const { index, length, limit } of truncations) {
    process.stderr.write(`Text ${first + index + 1} was cut from ${length} to ${limit} tokens\n`);
  }
}
