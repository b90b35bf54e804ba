/** A sequence that a program holds on to: what the model has computed of it is kept between calls. */
import { onAbort } from "./abort.js";
import { defineDisposeSymbols } from "./disposal.js";
import { AbortError, DisposedError, InputTooLongError } from "./errors.js";
import {
  planGeneration,
  runGeneration,
  type GenerateOptions,
  type Generation,
  type GenerationPlan,
  type StreamOptions,
} from "./generation.js";
import { GenerationStream, type Consumer } from "./generation-stream.js";
import type { GeneratorCore } from "./generator.js";
import { modelFingerprint } from "./model-fingerprint.js";
import { callNative, runTask, type KvType, type NativeSession } from "./native.js";
import { generatorInput, type CheckedPrompt, type GeneratorInput } from "./prompt.js";
import { checkOptions, expected, integer, nonEmptyString, oneOf, signal as abortSignal } from "./options.js";
import { readSession, writeSession, type SessionModel } from "./session-file.js";
import { SessionEngine, type Overflow } from "./session-engine.js";

defineDisposeSymbols();

/** Options of {@link Generator.createSession}. */
export interface SessionOptions {
  /** Most tokens the session can hold, at least 1. Default: the model's context length, which is also the most. */
  contextLength?: number;
  /**
   * How keys and values are kept. `"f16"` takes half the memory: they are rounded to eleven bits, and log-probabilities
   * move by some thousandths. `"q8_0"`, bytes with a scale for 32 of them, takes a little more than a quarter, and they
   * move by some hundredths. Default: `"f32"`, which gives the same bits as a generation without a session.
   */
  kvType?: KvType;
  /**
   * What happens at the context limit. GPT-2's positions are learned and absolute, so nothing can be shifted out.
   * `"stop"`: a generation ends, with the finish reason `"context"`; `"error"`: it rejects with an
   * {@link InputTooLongError}; `"reevaluate"`: the older half of the tokens is dropped, and the rest evaluated
   * again at new positions. Default: `"stop"`.
   */
  overflow?: Overflow;
}

/** Options of {@link Session.append}. */
export interface AppendOptions {
  /** Aborts the call; it then rejects with an {@link AbortError}, and the session is as before. */
  signal?: AbortSignal;
}

const OPTIONS = {
  contextLength: integer(1, Number.MAX_SAFE_INTEGER),
  kvType: oneOf<KvType>("f32", "f16", "q8_0"),
  overflow: oneOf("stop", "error", "reevaluate"),
};

interface SessionLimits {
  readonly contextLength: number;
  readonly overflow: Overflow;
  readonly kvType: KvType;
}

/** What {@link createSession} needs to know of its generator. */
export interface SessionOwner {
  readonly core: GeneratorCore;
  /** Told of every session there is. */
  readonly opened: (session: Session) => void;
}

export function createSession(owner: SessionOwner, options: unknown): Session {
  const checked = checkOptions(options, "createSession", OPTIONS);
  const { contextLength: most } = owner.core.info;
  const contextLength = integer(1, most)(checked.contextLength ?? most, "contextLength");
  const { kvType = "f32" } = checked;
  const limits = { contextLength, overflow: checked.overflow ?? "stop", kvType };
  if (limits.overflow === "reevaluate" && contextLength < 2) {
    throw expected("at least 2, to drop the older half", "contextLength", contextLength);
  }
  const native = callNative(() => owner.core.model.createSession(kvType));
  return new Session(owner, limits, native, new Int32Array(0));
}

/**
 * Tokens, and the keys and values that the model has computed of them. Made by {@link Generator.createSession}.
 *
 * Calls take their turn, in the order in which they were made. One that rejects leaves the tokens as they were.
 * All reject with {@link DisposedError} after `dispose()` of the session or of its generator, and with
 * {@link InvalidArgumentError} for a wrong argument or option.
 *
 * @example
 * ```ts
 * using session = generator.createSession();
 * await session.append("Call me Ishmael.");
 * const { text } = await session.generate({ maxTokens: 20 }); // and is part of the session now
 * const other = await session.fork();
 * ```
 */
export class Session implements Disposable, AsyncDisposable {
  readonly #owner: SessionOwner;
  readonly #limits: SessionLimits;
  readonly #closing = new AbortController();
  #native: NativeSession;
  #tokens: Int32Array;
  #last: Promise<void> = Promise.resolve();

  /** @internal */
  constructor(owner: SessionOwner, limits: SessionLimits, native: NativeSession, tokens: Int32Array) {
    this.#owner = owner;
    this.#limits = limits;
    this.#native = native;
    this.#tokens = tokens;
    owner.opened(this);
  }

  /** The token ids, those generated included; a copy. */
  get tokens(): Int32Array {
    return this.#tokens.slice();
  }

  /** How many tokens there are. */
  get length(): number {
    return this.#tokens.length;
  }

  /** Most tokens the session can hold. */
  get contextLength(): number {
    return this.#limits.contextLength;
  }

  /** What the tokens spell. */
  get text(): string {
    return this.#owner.core.tokenizer.decode(this.#tokens);
  }

  /**
   * Adds a text or token ids, and evaluates them, so that a generation can begin at once. Each text is tokenized by
   * itself: a word cut in two appends gives other tokens than the whole one.
   *
   * @throws InputTooLongError when the session cannot hold them all, unless `overflow` is `"reevaluate"`: then the
   * oldest tokens are dropped, and half of the session is left.
   */
  async append(input: GeneratorInput, options?: AppendOptions): Promise<void> {
    this.#usable();
    const checked = generatorInput(this.#owner.core)(input, "input");
    const { signal } = checkOptions(options, "append", { signal: abortSignal });
    return this.#inTurn(signal, async (stop) => {
      const added = await this.#ids(checked, stop);
      if (added.length === 0) return;
      const engine = this.#engine();
      const tokens = engine.fit(Int32Array.from([...this.#tokens, ...added]));
      await runTask(() => engine.evaluate(tokens), stop);
      this.#tokens = tokens;
    });
  }

  /** Continues the sequence as {@link Generator.generate} does; the new tokens become part of it. */
  async generate(options?: GenerateOptions): Promise<Generation> {
    this.#usable();
    const plan = planGeneration(this.#owner.core, options, "generate");
    return this.#inTurn(plan.signal, (stop) => this.#generate({ ...plan, signal: stop }));
  }

  /**
   * Continues the sequence token by token, as {@link Generator.stream} does. When the consumer leaves, the tokens of
   * the stream's `result` are part of the session.
   */
  stream(options?: StreamOptions): GenerationStream {
    this.#usable();
    const plan = planGeneration(this.#owner.core, options, "stream");
    return new GenerationStream(
      (consumer) => this.#inTurn(plan.signal, (stop) => this.#generate({ ...plan, signal: stop }, consumer)),
      { ...plan, model: this.#owner.core.model },
    );
  }

  /** Another session with the same tokens. What has been computed of them is shared, not copied. */
  async fork(): Promise<Session> {
    this.#usable();
    return this.#inTurn(undefined, async () => {
      const native = callNative(() => this.#native.fork());
      return new Session(this.#owner, this.#limits, native, this.#tokens.slice());
    });
  }

  /** Keeps the first `length` tokens. */
  async truncate(length: number): Promise<void> {
    this.#usable();
    const checked = integer(0, Number.MAX_SAFE_INTEGER)(length, "length");
    return this.#inTurn(undefined, async () => {
      this.#tokens = this.#tokens.slice(0, checked);
    });
  }

  /** Writes the session to a file, which is replaced once the new one is whole. */
  async save(path: string): Promise<void> {
    this.#usable();
    const checked = nonEmptyString(path, "path");
    return this.#inTurn(undefined, async () =>
      writeSession(checked, await this.#model(), this.#tokens, this.#native),
    );
  }

  /**
   * Replaces the session's content by that of a file that `save` has written.
   *
   * @throws SessionFileError when the file is missing, damaged, of another version, model or `kvType`, or longer than
   * this session can hold; the session is then as before.
   */
  async restore(path: string): Promise<void> {
    this.#usable();
    const checked = nonEmptyString(path, "path");
    return this.#inTurn(undefined, async () => {
      const model = await this.#model();
      const native = callNative(() => this.#owner.core.model.createSession(this.#limits.kvType));
      try {
        this.#tokens = await readSession(checked, model, native);
      } catch (error) {
        native.dispose();
        throw error;
      }
      this.#native.dispose();
      this.#native = native;
    });
  }

  /** Frees what the session holds; calls under way and later ones reject with {@link DisposedError}. Idempotent. */
  dispose(): void {
    this.#closing.abort();
    this.#native.dispose();
  }

  /** For `using`: the same as `dispose()`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** For `await using`: the same as `dispose()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
    await this.#last;
  }

  async #generate(plan: GenerationPlan, consumer?: Consumer): Promise<Generation> {
    const engine = this.#engine();
    const { core } = this.#owner;
    const within = { ...core, info: { ...core.info, contextLength: this.contextLength } };
    const generation = await runGeneration(
      { ...within, model: engine },
      engine.fit(this.#tokens),
      plan,
      consumer,
    );
    if (generation.finishReason === "context" && this.#limits.overflow === "error") {
      const length = engine.begin.length + generation.tokens.length + 1;
      throw new InputTooLongError(
        `Expected at most ${this.contextLength} tokens, the session's context length, but there is more to generate`,
        { length, limit: this.contextLength },
      );
    }
    this.#tokens = engine.sequence(generation.tokens);
    return generation;
  }

  #engine(): SessionEngine {
    return new SessionEngine(this.#owner.core.model, this.#native, this.#limits);
  }

  async #ids(input: CheckedPrompt, signal: AbortSignal): Promise<Int32Array> {
    if (typeof input !== "string") return input;
    const addSpecialTokens = this.#tokens.length === 0;
    return (await this.#owner.core.tokenizer.encodeAsync(input, { signal, addSpecialTokens })).ids;
  }

  async #model(): Promise<SessionModel> {
    const { info, spec } = this.#owner.core;
    const { blockCount, embeddingLength, headCount, keyValueHeadCount, vocabSize } = info;
    const keyLength = (embeddingLength / headCount) * keyValueHeadCount;
    const fingerprint = await modelFingerprint(spec);
    const { contextLength, kvType } = this.#limits;
    return { fingerprint, blockCount, keyLength, vocabSize, contextLength, kvType };
  }

  /** Does the work when all earlier calls have ended. Its signal fires when the caller's does, and on disposal. */
  async #inTurn<T>(signal: AbortSignal | undefined, work: (stop: AbortSignal) => Promise<T>): Promise<T> {
    const before = this.#last;
    let leave!: () => void;
    const own = new Promise<void>((resolve) => (leave = resolve));
    this.#last = before.then(() => own);
    const stop = new AbortController();
    const forget = [signal, this.#closing.signal].map((each) =>
      onAbort(each, () => stop.abort(each?.reason)),
    );
    if (signal?.aborted) stop.abort(signal.reason);
    try {
      await Promise.race([before, fired(stop.signal)]);
      this.#usable();
      return await work(stop.signal);
    } catch (error) {
      if (this.#closing.signal.aborted) throw new DisposedError("The session");
      throw error;
    } finally {
      for (const each of forget) each();
      leave();
    }
  }

  #usable(): void {
    if (this.#closing.signal.aborted) throw new DisposedError("The session");
  }
}

/** Rejects when the signal fires. */
function fired(signal: AbortSignal): Promise<never> {
  const fail = () => new AbortError(undefined, { cause: signal.reason });
  const promise = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(fail());
    else signal.addEventListener("abort", () => reject(fail()), { once: true });
  });
  promise.catch(() => {});
  return promise;
}
