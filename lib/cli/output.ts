/** Standard output: waits for a slow reader, stops for one that has gone. */
import { once } from "node:events";
import type { WriteStream } from "node:tty";

export class Output {
  readonly #stream = process.stdout;
  readonly #signal: AbortSignal;
  #atLineStart = true;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  get isTerminal(): boolean {
    return this.#stream.isTTY === true;
  }

  /** Columns of the terminal; 100 where there is none. */
  get columns(): number {
    return this.#stream.columns ?? 100;
  }

  /** Resolves when there is room for more. Rejects when the work is to stop. */
  async write(text: string): Promise<void> {
    this.#signal.throwIfAborted();
    if (text === "") return;
    this.#atLineStart = text.endsWith("\n");
    if (this.#stream.write(text)) return;
    await once(this.#stream, "drain", { signal: this.#signal });
  }

  /** One value as one line of JSON. */
  json(value: unknown): Promise<void> {
    return this.write(`${JSON.stringify(value)}\n`);
  }

  /** Ends a line that was begun, also when the work is to stop. */
  endLine(): void {
    if (!this.#atLineStart && !this.#stream.destroyed) this.#stream.write("\n");
    this.#atLineStart = true;
  }

  bold = (text: string): string => (hasColours(this.#stream) ? `\u001b[1m${text}\u001b[22m` : text);
  dim = (text: string): string => (hasColours(this.#stream) ? `\u001b[2m${text}\u001b[22m` : text);
}

/** Honours NO_COLOR, FORCE_COLOR and TERM, as Node does. */
function hasColours(stream: Partial<WriteStream>): boolean {
  return stream.isTTY === true && stream.hasColors?.() === true;
}

/** Numbers for JSON: nine significant digits are enough to get the same 32-bit floats back. */
export function floats(values: Float32Array): number[] {
  return Array.from(values, (value) => Number(value.toPrecision(9)));
}
