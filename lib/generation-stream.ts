import { AbortError } from "./errors.js";
import type { Generation } from "./generation.js";
import { createTokenWindow, type NativeTokenWindow } from "./native.js";
import type { GenerationChunk } from "./text-stream.js";

/** Whom a generation is for: it is given the chunks, may leave, and is waited for. */
export interface Consumer {
  readonly onChunk: (chunk: GenerationChunk) => void;
  /** Fires when nobody wants the rest. */
  readonly left: AbortSignal;
  /** How far the engine may be ahead. */
  readonly window: NativeTokenWindow;
}

/** Starts a generation for a consumer; it ends early, as `"cancelled"`, when that has left. */
export type StartGeneration = (consumer: Consumer) => Promise<Generation>;

/** What a stream is made with. */
export interface StreamSettings {
  /** What generates. */
  readonly model: object;
  /** Chunks that may wait to be read; see `highWaterMark` of StreamOptions. Default: 16. */
  readonly highWaterMark?: number;
  readonly onToken?: (chunk: GenerationChunk) => void;
}

const DEFAULT_HIGH_WATER_MARK = 16;

/**
 * Why a consumer left. Without a reason, `abort()` makes an error of its own, whose stack holds the stream that it was
 * called in; the registry below holds the signal, so the stream would never be garbage.
 */
const LEFT = "The consumer left the stream";

/** Collected while their generation goes on or is paused: nobody can read the rest. */
const abandoned = new FinalizationRegistry<AbortController>((leave) => leave.abort(LEFT));

/** Those with a `next()` that is not settled: somebody waits for them, though nobody may hold them. */
const awaited = new Set<GenerationStream>();

/**
 * The chunks of a generation, to be iterated once. It begins with the first `next()`; leaving the loop
 * (`break`, `return`, an exception) cancels it, and so does dropping the stream, once it is collected as garbage.
 *
 * A consumer that is slow is waited for: when `highWaterMark` chunks are unread, the generation pauses until half of
 * them are read. Others go on meanwhile.
 */
export class GenerationStream implements AsyncIterableIterator<GenerationChunk>, AsyncDisposable {
  /**
   * The whole generation; settles when the stream has ended. When the consumer left, it holds what there was,
   * with the finish reason `"cancelled"`; an {@link AbortError} when the consumer left before the first `next()`.
   * It stays pending while nobody reads the chunks.
   */
  readonly result: Promise<Generation>;
  // Nothing that the generation holds may lead to this object, or it is never garbage.
  readonly #chunks: AsyncGenerator<GenerationChunk, void, void>;
  readonly #leave = new AbortController();
  readonly #settle: (generation: Promise<Generation>) => void;
  #hasBegun = false;
  #waiting = 0;

  constructor(start: StartGeneration, settings: StreamSettings) {
    let settle!: (generation: Promise<Generation>) => void;
    this.result = new Promise((resolve) => (settle = resolve));
    // A failure reaches the consumer through next(); nobody has to look at `result` too.
    this.result.catch(() => {});
    this.#settle = settle;
    this.#chunks = chunksOf(start, settings, this.#leave, settle);
    abandoned.register(this, this.#leave, this.#leave);
  }

  /** The next chunk; the first call begins the generation. Rejects with what the generation rejects with. */
  async next(): Promise<IteratorResult<GenerationChunk, void>> {
    this.#hasBegun = true;
    this.#waiting++;
    awaited.add(this);
    try {
      return await this.#chunks.next();
    } finally {
      if (--this.#waiting === 0) awaited.delete(this);
    }
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
    this.#leave.abort(LEFT);
    abandoned.unregister(this.#leave);
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#settle(Promise.reject(new AbortError("The consumer left the stream before it began")));
  }
}

async function* chunksOf(
  start: StartGeneration,
  { model, onToken, highWaterMark = DEFAULT_HIGH_WATER_MARK }: StreamSettings,
  leave: AbortController,
  settle: (generation: Promise<Generation>) => void,
): AsyncGenerator<GenerationChunk, void, void> {
  const queue: GenerationChunk[] = [];
  let wake = () => {};
  let isRunning = true;
  // One token more: the newest may be held back until another one has come.
  const window = createTokenWindow(model, highWaterMark + 1);
  const onChunk = (chunk: GenerationChunk) => {
    onToken?.(chunk);
    queue.push(chunk);
    wake();
  };
  const generation = start({ onChunk, left: leave.signal, window });
  settle(generation);
  const ended = generation.finally(() => {
    isRunning = false;
    wake();
  });
  ended.catch(() => {});
  // The engine is told now and then, not of every chunk.
  const together = Math.ceil(highWaterMark / 2);
  try {
    for (let read = 0; isRunning || queue.length > 0;) {
      const chunk = queue.shift();
      if (chunk === undefined) {
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      yield chunk;
      if (++read % together === 0) window.read(together);
    }
    await ended;
  } finally {
    leave.abort(LEFT);
    abandoned.unregister(leave);
    await ended.catch(() => {});
  }
}
