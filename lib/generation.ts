/** One generation: from checked options to the tokens, the text and the timings. */
import { onAbort } from "./abort.js";
import {
  CONSTRAINT_CHECKS,
  constraintFor,
  planConstraint,
  type ConstraintOptions,
  type PlannedConstraint,
} from "./constraint/constraint.js";
import { AbortError, InvalidArgumentError } from "./errors.js";
import type { Consumer } from "./generation-stream.js";
import type { GeneratorCore } from "./generator.js";
import { processLogits, type LogitsProcessor } from "./logits-processor.js";
import {
  callNative,
  fromNativeError,
  type Drafting,
  type GenerateRequest,
  type GenerateResult,
  type LogitsExchange,
  type SamplingOptions,
} from "./native.js";
import {
  arrayOf,
  boolean,
  callback,
  checkOptions,
  expected,
  integer,
  nonEmptyString,
  number,
  signal as abortSignal,
  type Check,
} from "./options.js";
import { generatorInput, promptIds, type CheckedPrompt, type GeneratorInput } from "./prompt.js";
import { planSampling, samplingChecks, type SamplingSettings } from "./sampling.js";
import {
  speculationCheck,
  speculationReport,
  type Speculation,
  type SpeculationReport,
} from "./speculation.js";
import { TextStream, type GenerationChunk } from "./text-stream.js";

/** Options of {@link Generator.generate} and {@link Session.generate}. */
export interface GenerateOptions extends SamplingSettings, ConstraintOptions {
  /** At most this many new tokens; at least 1. Default: 128. */
  maxTokens?: number;
  /** Generation ends when the text contains one of these; neither it nor what follows is part of `text`. */
  stop?: string | readonly string[];
  /** Generate past the model's end-of-text token. Default: false. */
  ignoreEos?: boolean;
  /** Report the log-probability of each token under the model's own distribution. Default: false. */
  logprobs?: boolean;
  /**
   * Sees the model's logits before each token, and may change them, before all samplers. Other generations go
   * on while it is at work. What it throws, the generation rejects with. Default: none.
   */
  logitsProcessor?: LogitsProcessor;
  /**
   * Guesses tokens ahead, to generate the same ones in fewer steps. Not with `logitsProcessor`. Default: a token at
   * a time.
   */
  speculation?: Speculation;
  /**
   * Classifier-free guidance (arXiv:2306.17806): log-probabilities become `n + guidanceScale * (p - n)`, with `p` those
   * after the text and `n` those after the negative prompt and the same continuation. Above 1 the text follows its
   * prompt more closely. Before all samplers; costs a second sequence. Default: 1, no guidance.
   */
  guidanceScale?: number;
  /** What guidance leads away from. With `guidanceScale` alone. Default: the last token of the prompt. */
  negativePrompt?: GeneratorInput;
  /** Aborts the generation; it then rejects with an {@link AbortError}. */
  signal?: AbortSignal;
  /** Called for each chunk as it becomes final: the chunks that `stream` gives. */
  onToken?: (chunk: GenerationChunk) => void;
}

/** Options of {@link Generator.stream} and {@link Session.stream}. */
export interface StreamOptions extends GenerateOptions {
  /**
   * Chunks that may wait to be read, at least 1. When there are as many the generation pauses, and others have its place;
   * it goes on when half of them are read. Default: 16.
   */
  highWaterMark?: number;
}

/** What {@link Generator.generate} returns. */
export interface Generation {
  /** The new text, without the prompt and without the stop string. */
  readonly text: string;
  /** The new token ids, those that spell the stop string included, the end-of-text token not. */
  readonly tokens: Int32Array;
  /** Natural logarithm of each token's probability; with `logprobs: true`. */
  readonly logprobs?: Float32Array;
  /**
   * `"stop"`: the end-of-text token or a stop string, or a constraint that lets nothing follow; `"length"`: `maxTokens` reached; `"context"`: the
   * model's context is full (its positions are absolute, so nothing can be shifted out); `"cancelled"`: the
   * consumer of a stream left its loop.
   */
  readonly finishReason: "stop" | "length" | "context" | "cancelled";
  /** The stop string that was found. */
  readonly stopString?: string;
  /** The seed used; 0 when greedy. */
  readonly seed: number;
  /** With `speculation`. */
  readonly speculation?: SpeculationReport;
  /** Where the time went. */
  readonly timings: GenerationTimings;
}

/** Where the time of a generation went. */
export interface GenerationTimings {
  /** Tokens of the prompt. */
  readonly promptTokens: number;
  /** How many of these a session or the prompt cache had evaluated before. */
  readonly cachedTokens: number;
  /** New tokens. */
  readonly generatedTokens: number;
  /** Milliseconds waiting for other work on the model. */
  readonly queuedMs: number;
  /** Milliseconds from the start of the prompt's evaluation to the first new token. */
  readonly promptMs: number;
  /** Milliseconds for the new tokens after the first. */
  readonly decodeMs: number;
  /** Prompt tokens per second, of those that had to be evaluated. */
  readonly promptTokensPerSecond: number;
  /** New tokens after the first per second; 0 when there is only one. */
  readonly generatedTokensPerSecond: number;
}

/** {@link GenerateOptions} checked and completed. */
export interface GenerationPlan {
  readonly maxTokens: number;
  readonly sampling: SamplingOptions;
  readonly constraint?: PlannedConstraint;
  readonly logitsProcessor?: LogitsProcessor;
  readonly drafting?: Drafting;
  readonly guidance?: { readonly scale: number; readonly negative: CheckedPrompt | undefined };
  readonly stop: readonly string[];
  readonly ignoreEos: boolean;
  readonly logprobs: boolean;
  readonly signal?: AbortSignal;
  readonly onToken?: (chunk: GenerationChunk) => void;
  readonly highWaterMark?: number;
}

const DEFAULT_MAX_TOKENS = 128;

const stopStrings: Check<readonly string[]> = (value, name) =>
  typeof value === "string"
    ? [nonEmptyString(value, name)]
    : arrayOf(nonEmptyString, "a string or an array of strings")(value, name);

const CHECKS = {
  maxTokens: integer(1, 2 ** 31 - 1),
  stop: stopStrings,
  ignoreEos: boolean,
  logprobs: boolean,
  guidanceScale: number("a finite number", Number.isFinite),
  logitsProcessor: callback<LogitsProcessor>(),
  signal: abortSignal,
  onToken: callback<(chunk: GenerationChunk) => void>(),
};

const STREAM_CHECKS = { highWaterMark: integer(1, 2 ** 30) };

/** Checks the options of `method` and fills in the defaults. */
export function planGeneration(
  core: GeneratorCore,
  options: unknown,
  method: "generate" | "stream",
): GenerationPlan {
  const checked = checkOptions(options, method, {
    ...CHECKS,
    ...(method === "stream" && STREAM_CHECKS),
    ...samplingChecks(core),
    ...CONSTRAINT_CHECKS,
    speculation: speculationCheck(core),
    negativePrompt: generatorInput(core),
  });
  if (checked.speculation && checked.logitsProcessor) {
    throw new InvalidArgumentError(
      "Expected no speculation with logitsProcessor, which sees a token at a time",
      { name: "speculation" },
    );
  }
  const maxTokens = checked.maxTokens ?? DEFAULT_MAX_TOKENS;
  checkMinNewTokens(checked.minNewTokens, maxTokens, checked.ignoreEos === true);
  return {
    maxTokens,
    sampling: planSampling(core, checked),
    constraint: planConstraint(checked),
    logitsProcessor: checked.logitsProcessor,
    drafting: checked.speculation,
    guidance: planGuidance(checked),
    stop: checked.stop ?? [],
    ignoreEos: checked.ignoreEos ?? false,
    logprobs: checked.logprobs ?? false,
    signal: checked.signal,
    onToken: checked.onToken,
    highWaterMark: checked.highWaterMark,
  };
}

function planGuidance({
  guidanceScale: scale = 1,
  negativePrompt: negative,
  speculation,
}: {
  guidanceScale?: number;
  negativePrompt?: CheckedPrompt;
  speculation?: Drafting;
}): GenerationPlan["guidance"] {
  if (scale === 1) {
    if (negative === undefined) return undefined;
    throw expected("another number than 1 with negativePrompt", "guidanceScale", scale);
  }
  if (speculation === undefined) return { scale, negative };
  throw new InvalidArgumentError("Expected no speculation with guidanceScale", { name: "speculation" });
}

function checkMinNewTokens(value: number | undefined, maxTokens: number, ignoreEos: boolean): void {
  if (value === undefined || (value <= maxTokens && !ignoreEos)) return;
  const what = ignoreEos ? "no minNewTokens with ignoreEos" : "minNewTokens of at most maxTokens";
  throw new InvalidArgumentError(`Expected ${what} but received ${value}`, { name: "minNewTokens", value });
}

/** What a generation needs of a generator. */
export type GenerationCore = Pick<GeneratorCore, "info" | "tokenizer"> & {
  readonly model: Pick<GeneratorCore["model"], "generate">;
};

/** Generates, handing every chunk to the consumer as it becomes final; without one, to the caller's `onToken`. */
export async function runGeneration(
  core: GenerationCore,
  prompt: CheckedPrompt,
  plan: GenerationPlan,
  consumer?: Consumer,
): Promise<Generation> {
  const ids = await promptIds(core, prompt, plan.signal);
  const { guidance } = plan;
  const negativeIds =
    guidance?.negative === undefined ? ids.slice(-1) : await promptIds(core, guidance.negative, plan.signal);
  const constraint = plan.constraint && (await constraintFor(core, plan.constraint, plan.signal));
  const run = new GenerationRun(core, plan, consumer?.onChunk ?? ((chunk) => plan.onToken?.(chunk)));
  const ends = [plan.signal, consumer?.left];
  const forget = ends.map((each) => onAbort(each, () => run.cancel()));
  if (ends.some((each) => each?.aborted)) run.cancel();
  try {
    const result = await run.start(ids, {
      sampling: { ...plan.sampling, ...(constraint && { constraint }) },
      ...(guidance && { guidanceScale: guidance.scale, negativeIds }),
      ...(consumer && { window: consumer.window }),
    });
    if (plan.signal?.aborted) throw new AbortError(undefined, { cause: plan.signal.reason });
    return run.finish(ids.length, result);
  } finally {
    for (const each of forget) each();
  }
}

/** The state of a generation while the engine works on it. */
class GenerationRun {
  readonly #core: GenerationCore;
  readonly #plan: GenerationPlan;
  readonly #onChunk: (chunk: GenerationChunk) => void;
  readonly #text: TextStream;
  readonly #stop = new AbortController();
  readonly #tokens: number[] = [];
  readonly #logprobs: number[] = [];
  readonly #exchange: LogitsExchange = {};
  #logits: Float32Array | undefined;
  #prompt: Int32Array = new Int32Array(0);
  #failure: { error: unknown } | undefined;

  constructor(core: GenerationCore, plan: GenerationPlan, onChunk: (chunk: GenerationChunk) => void) {
    this.#core = core;
    this.#plan = plan;
    this.#onChunk = onChunk;
    this.#text = new TextStream(core.tokenizer.createStream({ skipSpecialTokens: true }), plan.stop);
  }

  cancel(): void {
    this.#stop.abort();
  }

  /** The engine's result, or undefined when the generation was ended before it began. */
  async start(
    ids: Int32Array,
    settings: Pick<GenerateRequest, "sampling" | "guidanceScale" | "negativeIds" | "window">,
  ): Promise<GenerateResult | undefined> {
    if (this.#stop.signal.aborted) return undefined;
    const { maxTokens, logprobs, ignoreEos, drafting } = this.#plan;
    const { eosToken } = this.#core.info;
    const request = {
      ids,
      maxTokens,
      stopIds: ignoreEos || eosToken === undefined ? new Int32Array(0) : Int32Array.of(eosToken),
      logprobs,
      ...(this.#plan.logitsProcessor && { logitsExchange: this.#exchange }),
      ...(drafting && { drafting }),
      ...settings,
    };
    this.#prompt = ids;
    const take = (token: number, logprob: number) =>
      token < 0 ? void this.#process() : this.#take(token, logprob);
    const task = callNative(() => this.#core.model.generate(request, take));
    const forget = onAbort(this.#stop.signal, () => task.cancel());
    try {
      const result = await task.promise;
      if (!this.#failure) return result;
    } catch (error) {
      if (!this.#failure) throw fromNativeError(error);
    } finally {
      forget();
    }
    throw this.#failure.error;
  }

  /** Ends the text and sums up. */
  finish(promptTokens: number, result: GenerateResult | undefined): Generation {
    const { stopString } = this.#text;
    const isStopped = stopString !== undefined;
    for (const chunk of this.#text.end()) this.#onChunk(chunk);
    const isLeft = this.#stop.signal.aborted && !isStopped;
    const measured = result?.timings ?? { queuedMs: 0, promptMs: 0, decodeMs: 0 };
    // The engine may have been a token or two ahead of who ended it.
    const decoded = (result?.tokens.length ?? 0) - 1;
    const evaluated = result?.evaluatedTokens ?? promptTokens;
    return {
      text: this.#text.text,
      tokens: Int32Array.from(this.#tokens),
      ...(this.#plan.logprobs && { logprobs: Float32Array.from(this.#logprobs) }),
      finishReason: isStopped ? "stop" : isLeft ? "cancelled" : result!.finishReason,
      ...(isStopped && { stopString }),
      seed: this.#plan.sampling.seed,
      ...(this.#plan.drafting && result && { speculation: speculationReport(result) }),
      timings: {
        promptTokens,
        cachedTokens: promptTokens - evaluated,
        generatedTokens: this.#tokens.length,
        queuedMs: measured.queuedMs,
        promptMs: measured.promptMs,
        decodeMs: measured.decodeMs,
        promptTokensPerSecond: perSecond(evaluated, measured.promptMs),
        generatedTokensPerSecond: perSecond(decoded, measured.decodeMs),
      },
    };
  }

  /** Hands the logits to the processor; never rejects. */
  async #process(): Promise<void> {
    const { signal } = this.#stop;
    if (signal.aborted) return;
    this.#logits ??= new Float32Array(this.#core.info.vocabSize);
    const context = { prompt: this.#prompt, tokens: this.#tokens, signal };
    try {
      await processLogits(this.#plan.logitsProcessor!, this.#exchange, this.#logits, context);
    } catch (error) {
      if (signal.aborted) return;
      this.#failure = { error };
      this.#stop.abort();
    }
  }

  #take(token: number, logprob: number): void {
    // The engine may be a token or two ahead when the generation is ended from here.
    if (this.#stop.signal.aborted || this.#text.stopString !== undefined) return;
    this.#tokens.push(token);
    if (this.#plan.logprobs) this.#logprobs.push(logprob);
    try {
      const chunks = this.#text.push(token, this.#plan.logprobs ? logprob : undefined);
      for (const chunk of chunks) this.#onChunk(chunk);
    } catch (error) {
      this.#failure = { error };
      this.#stop.abort();
    }
    if (this.#text.stopString !== undefined) this.#stop.abort();
  }
}

function perSecond(count: number, milliseconds: number): number {
  return count > 0 && milliseconds > 0 ? (count * 1000) / milliseconds : 0;
}
