/** The model as a session uses it: requests continue what is kept, and overflow is dealt with. */
import { InputTooLongError } from "./errors.js";
import type { GenerateRequest, GenerateResult, NativeModel, NativeSession, NativeTask } from "./native.js";

/** What a session does when its context is full; see `overflow` of `SessionOptions`. */
export type Overflow = "stop" | "error" | "reevaluate";

/** A generation, which is one request of the engine after another where the context becomes full. */
interface Run {
  task: NativeTask<GenerateResult>;
  isCancelled: boolean;
}

export class SessionEngine {
  readonly #model: NativeModel;
  readonly #session: NativeSession;
  readonly #limit: number;
  readonly #overflow: Overflow;
  /** The sequence before the generation's tokens from `#dropped` on. */
  #begin: Int32Array = new Int32Array(0);
  #dropped = 0;

  constructor(
    model: NativeModel,
    session: NativeSession,
    { contextLength, overflow }: { readonly contextLength: number; readonly overflow: Overflow },
  ) {
    this.#model = model;
    this.#session = session;
    this.#limit = contextLength;
    this.#overflow = overflow;
  }

  /** What the last generation continued. */
  get begin(): Int32Array {
    return this.#begin;
  }

  /** The tokens, or the newest of them where that many do not fit. */
  fit(tokens: Int32Array): Int32Array {
    if (tokens.length <= this.#limit) return tokens;
    if (this.#overflow === "reevaluate") return this.#newest(tokens);
    throw new InputTooLongError(
      `Expected at most ${this.#limit} tokens, the session's context length, but there would be ${tokens.length}`,
      { length: tokens.length, limit: this.#limit },
    );
  }

  /** Computes keys and values of the tokens. */
  evaluate(tokens: Int32Array): NativeTask<GenerateResult> {
    return this.#start({
      ids: tokens,
      maxTokens: 0,
      stopIds: new Int32Array(0),
      sampling: { temperature: 0, topK: 0, topP: 1, seed: 0 },
      logprobs: false,
    });
  }

  /** As {@link NativeModel.generate}. */
  generate(
    request: GenerateRequest,
    onToken?: (id: number, logprob: number) => void,
  ): NativeTask<GenerateResult> {
    this.#begin = request.ids;
    this.#dropped = 0;
    const first = this.#start(request, onToken);
    if (this.#overflow !== "reevaluate") return first;
    const run: Run = { task: first, isCancelled: false };
    return {
      promise: this.#continueBeyond(request, onToken, run),
      cancel: () => {
        run.isCancelled = true;
        run.task.cancel();
      },
    };
  }

  /** The session's tokens after a generation of these. */
  sequence(generated: Int32Array): Int32Array {
    return Int32Array.from([...this.#begin, ...generated.subarray(this.#dropped)]);
  }

  /** Whenever the context is full, goes on with the newest half. */
  async #continueBeyond(
    request: GenerateRequest,
    onToken: ((id: number, logprob: number) => void) | undefined,
    run: Run,
  ): Promise<GenerateResult> {
    let result = await run.task.promise;
    for (let round = 1; result.finishReason === "context" && !run.isCancelled; round++) {
      const left = request.maxTokens - result.tokens.length;
      this.#begin = this.#newest(this.sequence(result.tokens));
      this.#dropped = result.tokens.length;
      // The same numbers again would repeat the same choices.
      const { seed, minNewTokens = 0 } = request.sampling;
      const sampling = {
        ...request.sampling,
        seed: (seed + round) % 2 ** 32,
        minNewTokens: Math.max(0, minNewTokens - result.tokens.length),
        ...(request.sampling.constraint && { constrained: result.tokens }),
      };
      const { negativeIds } = request;
      run.task = this.#start(
        {
          ...request,
          ids: this.#begin,
          maxTokens: left,
          sampling,
          ...(negativeIds && {
            negativeIds: this.#newest(Int32Array.from([...negativeIds, ...result.tokens])),
          }),
        },
        onToken,
      );
      result = joined(result, await run.task.promise);
    }
    return result;
  }

  #newest(tokens: Int32Array): Int32Array {
    return tokens.slice(-Math.max(1, Math.floor(this.#limit / 2)));
  }

  #start(
    request: GenerateRequest,
    onToken?: (id: number, logprob: number) => void,
  ): NativeTask<GenerateResult> {
    return this.#model.generate({ ...request, session: this.#session, contextLength: this.#limit }, onToken);
  }
}

function joined(a: GenerateResult, b: GenerateResult): GenerateResult {
  const logprobs =
    a.logprobs || b.logprobs ? Float32Array.from([...(a.logprobs ?? []), ...(b.logprobs ?? [])]) : undefined;
  return {
    tokens: Int32Array.from([...a.tokens, ...b.tokens]),
    ...(logprobs && { logprobs }),
    finishReason: b.finishReason,
    evaluatedTokens: a.evaluatedTokens,
    draftedTokens: a.draftedTokens + b.draftedTokens,
    acceptedTokens: a.acceptedTokens + b.acceptedTokens,
    timings: {
      queuedMs: a.timings.queuedMs,
      promptMs: a.timings.promptMs,
      decodeMs: a.timings.decodeMs + b.timings.queuedMs + b.timings.promptMs + b.timings.decodeMs,
    },
  };
}
