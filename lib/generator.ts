import { scoreContinuations, type ContinuationOptions, type ContinuationScores } from "./continuations.js";
import { beamSearch, type BeamSearchOptions, type BeamSearchResult } from "./beam-search.js";
import { defineDisposeSymbols } from "./disposal.js";
import type { EncoderCore } from "./encoder.js";
import { decoderEncodingInfo } from "./encoder-info.js";
import { DisposedError, UnsupportedError } from "./errors.js";
import {
  planGeneration,
  runGeneration,
  type GenerateOptions,
  type Generation,
  type StreamOptions,
} from "./generation.js";
import { GenerationStream } from "./generation-stream.js";
import { rememberCore } from "./generator-cores.js";
import type { ProblemType } from "./gguf/classifier.js";
import type { EncoderInput } from "./inputs.js";
import {
  loadModel,
  modelInfo,
  type GeneratorLoadOptions,
  type LoadedModel,
  type ModelInfo,
} from "./loading.js";
import type { DecoderFile } from "./model-file.js";
import {
  runTask,
  type DecoderArchitecture,
  type ModelSpec,
  type NativeMemory,
  type NativeModel,
} from "./native.js";
import { checkOptions, signal as abortSignal } from "./options.js";
import { perplexity, type Perplexity, type PerplexityOptions } from "./perplexity.js";
import { profileOf, type Profile } from "./profile.js";
import { generatorInput, promptIds, type GeneratorInput } from "./prompt.js";
import { score, type ScoreOptions, type TextScore } from "./score.js";
import { createSession, type Session, type SessionOptions } from "./session.js";
import { classify, type Classification, type ClassifyOptions } from "./tasks/classify.js";
import { encode, type EncodeOptions, type EncoderOutput } from "./tasks/encode.js";
import type { Tensor } from "./tensor.js";
import type { Tokenizer } from "./tokenizer/index.js";

defineDisposeSymbols();

export type { GenerateOptions, Generation, GenerationTimings, StreamOptions } from "./generation.js";
export type { GeneratorInput } from "./prompt.js";
export type { LogitsContext, LogitsProcessor } from "./logits-processor.js";
export type { SamplerName, SamplingSettings } from "./sampling.js";
export type { DraftModel, PromptLookup, Speculation, SpeculationReport } from "./speculation.js";

/** What is known of a loaded decoder. */
export interface GeneratorInfo extends ModelInfo {
  /** `general.architecture` of the file; GPT-Neo and OPT are `"gpt2"` there, StarCoder is `"starcoder"`. */
  readonly architecture: DecoderArchitecture;
  /** Heads of keys and values: `headCount`, or fewer where heads share them. */
  readonly keyValueHeadCount: number;
  /** Whether it predicts tokens: a model that was saved without the last layer only encodes and classifies. */
  readonly languageModel: boolean;
  /** Names of the classifier's labels, by label number; empty without a classifier. */
  readonly labels: readonly string[];
  /** What the classifier's labels are to each other, where the file says. */
  readonly problemType?: ProblemType;
  /** The token that ends a generation, when the tokenizer has one. */
  readonly eosToken?: number;
}

/** The parts of a generator. */
export interface GeneratorCore {
  readonly spec: ModelSpec;
  readonly model: NativeModel;
  readonly tokenizer: Tokenizer;
  readonly info: GeneratorInfo;
  /** The same model for tasks that read a text and write none. */
  readonly encoding: EncoderCore;
}

/** Options of {@link Generator.logits}. */
export interface LogitsOptions {
  /** Aborts the call; it then rejects with an {@link AbortError}. */
  signal?: AbortSignal;
}

/** What {@link Generator.logits} returns: `data` [S, V], of which row i predicts the token after the i-th. */
export interface Logits extends Tensor {
  /** The token ids, [S]. */
  readonly ids: Int32Array;
}

/**
 * A loaded GPT-2-family decoder. Its methods may be called at once and as often as wanted: generations in
 * flight share batches, and each gives the same tokens as alone.
 *
 * All methods reject with {@link InvalidArgumentError} for an argument or option of the wrong type, value or
 * name, {@link InputTooLongError} for a prompt longer than `info.contextLength`, {@link AbortError} when
 * `signal` fires, and {@link DisposedError} after `dispose()`. Those that predict tokens reject with
 * {@link UnsupportedError} where `info.languageModel` is false.
 *
 * An empty prompt stands for the beginning of a text.
 *
 * @example
 * ```ts
 * await using generator = await Generator.load("mini-gpt2");
 * for await (const { text } of generator.stream("Call me", { maxTokens: 40 })) process.stdout.write(text);
 * ```
 */
export class Generator implements AsyncDisposable, Disposable {
  readonly #core: GeneratorCore;
  /** Those that somebody still holds end with the generator. */
  readonly #sessions = new Set<WeakRef<Session>>();
  #disposed = false;

  private constructor(core: GeneratorCore) {
    this.#core = core;
    rememberCore(this, core);
  }

  /**
   * Loads a model: a path to a GGUF file, or the name of an embedded one (`"mini-gpt2"`).
   *
   * @throws ModelFileError when there is no such file, or naming what is wrong in it.
   * @throws UnsupportedError when the file is sound but not a decoder computed here.
   * @throws OutOfMemoryError before anything is allocated, with the bytes required and available.
   * @throws DeviceError when `device` is not one of {@link devices}.
   */
  static async load(pathOrName: string, options?: GeneratorLoadOptions): Promise<Generator> {
    const loaded = await loadModel("decoder", pathOrName, options);
    const { file, model, tokenizer } = loaded;
    const { classifier, spec } = file;
    const encoding = { model, tokenizer, info: decoderEncodingInfo(loaded), classifier };
    return new Generator({ spec, model, tokenizer, info: generatorInfo(loaded), encoding });
  }

  /** What is known of the model. */
  get info(): GeneratorInfo {
    return this.#core.info;
  }

  /** The model's tokenizer. */
  get tokenizer(): Tokenizer {
    return this.#core.tokenizer;
  }

  /** Continues a prompt. Greedy unless `temperature`, or another option of the draw, asks for sampling. */
  async generate(prompt: GeneratorInput, options?: GenerateOptions): Promise<Generation> {
    const core = this.#predicting();
    const checked = generatorInput(core)(prompt, "prompt");
    const plan = planGeneration(core, options, "generate");
    return runGeneration(core, checked, plan);
  }

  /**
   * Continues a prompt, token by token. Wrong arguments throw at once, what is wrong within a `regex` or `jsonSchema`
   * is told by the first `next()`. The generation begins with that, pauses for a consumer that is slow, and ends in the engine too when the consumer leaves its loop.
   */
  stream(prompt: GeneratorInput, options?: StreamOptions): GenerationStream {
    const core = this.#predicting();
    const checked = generatorInput(core)(prompt, "prompt");
    const plan = planGeneration(core, options, "stream");
    return new GenerationStream((consumer) => runGeneration(core, checked, plan, consumer), {
      ...plan,
      model: core.model,
    });
  }

  /**
   * The likeliest continuations as wholes, by beam search: greedy generation takes the likeliest token at each place,
   * and may miss a better text. The sequences share what they have in common, and steps with other requests.
   */
  async beamSearch(prompt: GeneratorInput, options?: BeamSearchOptions): Promise<BeamSearchResult> {
    return beamSearch(this.#predicting(), prompt, options);
  }

  /**
   * A sequence to hold on to: appended to, continued, forked and saved without computing anything twice.
   *
   * @throws InvalidArgumentError, UnsupportedError for a `kvType` that is not computed.
   */
  createSession(options?: SessionOptions): Session {
    return createSession({ core: this.#predicting(), opened: (session) => this.#remember(session) }, options);
  }

  /**
   * Hidden states and attention maps of one input or many, as {@link Encoder.encode} gives them; an input is not empty.
   * The last hidden state is the normalized one, of which the logits are made. There is no pooler.
   */
  encode(input: EncoderInput, options?: EncodeOptions): Promise<EncoderOutput>;
  encode(inputs: readonly EncoderInput[], options?: EncodeOptions): Promise<EncoderOutput[]>;
  async encode(
    inputs: EncoderInput | readonly EncoderInput[],
    options?: EncodeOptions,
  ): Promise<EncoderOutput | EncoderOutput[]> {
    return encode(this.#usable().encoding, inputs, options);
  }

  /**
   * The labels of one input or many, by the classifier over the last token that a `GPT2ForSequenceClassification` has.
   *
   * @throws UnsupportedError when the model has no classifier.
   */
  classify(input: EncoderInput, options?: ClassifyOptions): Promise<Classification>;
  classify(inputs: readonly EncoderInput[], options?: ClassifyOptions): Promise<Classification[]>;
  async classify(
    inputs: EncoderInput | readonly EncoderInput[],
    options?: ClassifyOptions,
  ): Promise<Classification | Classification[]> {
    return classify(this.#usable().encoding, inputs, options);
  }

  /** The model's logits at every position of one sequence, for scoring. */
  async logits(input: GeneratorInput, options?: LogitsOptions): Promise<Logits> {
    const core = this.#predicting();
    const checked = generatorInput(core)(input, "input");
    const { signal } = checkOptions(options, "logits", { signal: abortSignal });
    const ids = await promptIds(core, checked, signal);
    const data = await runTask(() => core.model.logits(ids), signal);
    return { data, shape: [ids.length, core.info.vocabSize], ids };
  }

  /**
   * How likely the model finds a text, or each of several: log-probability, rank and place of every token,
   * their sum and the perplexity. The probabilities are those of the model itself, without any sampling
   * option. Log-sum-exp is taken in double precision; what is reported is rounded to 32-bit floats.
   *
   * @throws InputTooLongError for a text with more tokens than `info.contextLength`, that of
   * `beginningOfText` included; {@link Generator.perplexity} takes longer ones.
   */
  score(text: string, options?: ScoreOptions): Promise<TextScore>;
  score(texts: readonly string[], options?: ScoreOptions): Promise<TextScore[]>;
  async score(texts: unknown, options?: ScoreOptions): Promise<TextScore | TextScore[]> {
    return score(this.#predicting(), texts, options);
  }

  /**
   * The perplexity of a document of any length, by Hugging Face's sliding window: every window is evaluated
   * afresh, and only the tokens that the window before it lacked count. Each token counts once, with the same
   * weight.
   */
  async perplexity(text: GeneratorInput, options?: PerplexityOptions): Promise<Perplexity> {
    return perplexity(this.#predicting(), text, options);
  }

  /**
   * How likely each continuation is after the prompt, and which is the likeliest. Blanks belong to the texts:
   * most continuations begin with one. Where a token spans the end of the prompt, it is the continuation's.
   * The prompt is evaluated once, unless the model was loaded with `promptCache: 0`.
   */
  async scoreContinuations(
    prompt: string,
    continuations: readonly string[],
    options?: ContinuationOptions,
  ): Promise<ContinuationScores> {
    return scoreContinuations(this.#predicting(), prompt, continuations, options);
  }

  /** Bytes in use by this model. */
  memory(): NativeMemory {
    return this.#core.model.memory();
  }

  /** Where the time of all calls went, or undefined when the model was loaded without `profile: true`. */
  profile(): Profile | undefined {
    return profileOf(this.#core.model);
  }

  /** Frees the model; calls in flight and later ones reject with {@link DisposedError}. Idempotent. */
  dispose(): Promise<void> {
    this.#disposed = true;
    for (const session of this.#sessions) session.deref()?.dispose();
    this.#sessions.clear();
    return this.#core.model.dispose();
  }

  /** For `using`: begins to free the model and does not wait. */
  [Symbol.dispose](): void {
    void this.dispose();
  }

  /** For `await using`: the same as `dispose()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #remember(session: Session): void {
    for (const each of this.#sessions) if (each.deref() === undefined) this.#sessions.delete(each);
    this.#sessions.add(new WeakRef(session));
  }

  #usable(): GeneratorCore {
    if (this.#disposed) throw new DisposedError("The generator");
    return this.#core;
  }

  /** The same for what needs logits. */
  #predicting(): GeneratorCore {
    const core = this.#usable();
    if (core.info.languageModel) return core;
    const message = `${core.info.name} has no language-model head, which generation and scores need`;
    throw new UnsupportedError(message, { head: "lm" });
  }
}

function generatorInfo(loaded: LoadedModel<DecoderFile>): GeneratorInfo {
  const { hyperparameters, heads } = loaded.file;
  return Object.freeze({
    ...modelInfo(loaded),
    architecture: loaded.file.architecture,
    keyValueHeadCount: hyperparameters.keyValueHeadCount ?? hyperparameters.headCount,
    languageModel: heads.languageModel !== "none",
    eosToken: loaded.tokenizer.specialIds.eos,
    labels: Object.freeze([...loaded.file.labels]),
    problemType: loaded.file.classifier.problemType,
  });
}
