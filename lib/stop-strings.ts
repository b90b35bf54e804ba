/** Finds stop strings in a text that arrives in pieces. */
export class StopStringScanner {
  readonly #stops: readonly string[];
  #held = "";
  #found: string | undefined;

  /** @param stops - None of them empty. */
  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /** The stop string found; nothing is released after it. */
  get found(): string | undefined {
    return this.#found;
  }

  /** Whether text is held back because it may be the beginning of a stop string. */
  get holds(): boolean {
    return this.#held !== "";
  }

  /** Takes the next piece and returns the text that is now certain to come before any stop string. */
  push(piece: string): string {
    if (this.#found !== undefined) return "";
    const text = this.#held + piece;
    const stop = this.#firstStop(text);
    if (stop !== undefined) {
      this.#found = stop.value;
      this.#held = "";
      return text.slice(0, stop.at);
    }
    const certain = text.length - this.#possibleStart(text);
    this.#held = text.slice(certain);
    return text.slice(0, certain);
  }

  /** The text still held: the input has ended, so that no stop string can follow. */
  end(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }

  #firstStop(text: string): { at: number; value: string } | undefined {
    let first: { at: number; value: string } | undefined;
    for (const value of this.#stops) {
      const at = text.indexOf(value);
      if (at >= 0 && (first === undefined || at < first.at)) first = { at, value };
    }
    return first;
  }

  /** Length of the longest end of `text` that a stop string begins with. */
  #possibleStart(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
