import { StopStringScanner } from "./stop-strings.js";
import type { TokenStream } from "./tokenizer/index.js";

/** One new token. Joined, the `text` of all chunks is the `text` of the result. */
export interface GenerationChunk {
  /**
   * What this token adds to the text. Characters whose bytes are not all there yet and text that may turn out
   * to be a stop string are held back: it is then `""` or shorter, and a later chunk brings the rest.
   */
  readonly text: string;
  /** Token id. */
  readonly token: number;
  /** Natural logarithm of its probability; with `logprobs: true`. */
  readonly logprob?: number;
}

/**
 * Turns tokens into chunks. A token after which text is held back waits for the next token, so that what is
 * still held at the end of the generation has a chunk to go with.
 */
export class TextStream {
  readonly #decoder: TokenStream;
  readonly #scanner: StopStringScanner;
  #waiting: GenerationChunk | undefined;
  #text = "";

  constructor(decoder: TokenStream, stops: readonly string[]) {
    this.#decoder = decoder;
    this.#scanner = new StopStringScanner(stops);
  }

  /** The text of all tokens so far, without what is held back. */
  get text(): string {
    return this.#text;
  }

  /** The stop string found; no token should follow. */
  get stopString(): string | undefined {
    return this.#scanner.found;
  }

  /** Takes the next token and returns the chunks that are now final. */
  push(token: number, logprob?: number): GenerationChunk[] {
    const ready = this.#takeWaiting();
    const text = this.#scanner.push(this.#decoder.push(token));
    this.#text += text;
    const chunk = { text, token, ...(logprob !== undefined && { logprob }) };
    const holds = this.#decoder.holds || this.#scanner.holds;
    if (holds && this.stopString === undefined) this.#waiting = chunk;
    else ready.push(chunk);
    return ready;
  }

  /** The last chunk, when one waits, with all that was held back. */
  end(): GenerationChunk[] {
    const [last] = this.#takeWaiting();
    if (last === undefined) return [];
    const text = this.#scanner.push(this.#decoder.end()) + this.#scanner.end();
    this.#text += text;
    return [{ ...last, text: last.text + text }];
  }

  #takeWaiting(): GenerationChunk[] {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    return waiting ? [waiting] : [];
  }
}
