import { AbortError } from "./errors.js";
import type { Generation } from "./generation.js";
import type { GenerationChunk } from "./text-stream.js";

/** Starts a generation that hands over its chunks and ends early when `leave` fires. */
export type StartGeneration = (
  onChunk: (chunk: GenerationChunk) => void,
  leave: AbortSignal,
) => Promise<Generation>;

/**
 * The chunks of a generation, to be iterated once. It begins with the first `next()`; leaving the loop
 * (`break`, `return`, an exception) cancels it.
 */
export class GenerationStream implements AsyncIterableIterator<GenerationChunk>, AsyncDisposable {
  /**
   * The whole generation; settles when the stream has ended. When the consumer left, it holds what there was,
   * with the finish reason `"cancelled"`; an {@link AbortError} when the consumer left before the first `next()`.
   * It stays pending while nobody iterates.
   */
  readonly result: Promise<Generation>;
  readonly #chunks: AsyncGenerator<GenerationChunk, void, void>;
  readonly #leave = new AbortController();
  #settle!: (generation: Promise<Generation>) => void;
  #hasBegun = false;

  constructor(start: StartGeneration, onToken?: (chunk: GenerationChunk) => void) {
    this.result = new Promise((resolve) => (this.#settle = resolve));
    // A failure reaches the consumer through next(); nobody has to look at `result` too.
    this.result.catch(() => {});
    this.#chunks = this.#iterate(start, onToken);
  }

  /** The next chunk; the first call begins the generation. Rejects with what the generation rejects with. */
  next(): Promise<IteratorResult<GenerationChunk, void>> {
    return this.#chunks.next();
  }

  /** Cancels what is left of the generation, as leaving the loop does. */
  return(): Promise<IteratorResult<GenerationChunk, void>> {
    this.#end();
    return this.#chunks.return();
  }

  /** Cancels what is left of the generation, and rejects with `error`. */
  throw(error: unknown): Promise<IteratorResult<GenerationChunk, void>> {
    this.#end();
    return this.#chunks.throw(error);
  }

  /** The stream itself: it can be iterated once. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** For `await using`: the same as `return()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** Comes before the request to return, which waits for a next() that may itself be waiting for a token. */
  #end(): void {
    this.#leave.abort();
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#settle(Promise.reject(new AbortError("The consumer left the stream before it began")));
  }

  async *#iterate(
    start: StartGeneration,
    onToken: ((chunk: GenerationChunk) => void) | undefined,
  ): AsyncGenerator<GenerationChunk, void, void> {
    this.#hasBegun = true;
    const queue: GenerationChunk[] = [];
    let wake = () => {};
    let isRunning = true;
    const generation = start((chunk) => {
      onToken?.(chunk);
      queue.push(chunk);
      wake();
    }, this.#leave.signal);
    this.#settle(generation);
    const ended = generation.finally(() => {
      isRunning = false;
      wake();
    });
    ended.catch(() => {});
    try {
      while (isRunning || queue.length > 0) {
        const chunk = queue.shift();
        if (chunk !== undefined) yield chunk;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
      await ended;
    } finally {
      this.#leave.abort();
      await ended.catch(() => {});
    }
  }
}
