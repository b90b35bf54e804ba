import { defineDisposeSymbols } from "./disposal.js";
import { DisposedError } from "./errors.js";
import { checkEach, type EncoderInput } from "./inputs.js";
import { encoderInfo, type EncoderInfo, type EncodingInfo } from "./encoder-info.js";
import { loadModel, type LoadOptions } from "./loading.js";
import type { ClassifierInfo } from "./gguf/classifier.js";
import type { NativeMemory, NativeModel } from "./native.js";
import { expected, string } from "./options.js";
import { profileOf, type Profile } from "./profile.js";
import { answer, type AnswerOptions, type AnswerResult, type QuestionInput } from "./tasks/answer.js";
import { biasProbe, type BiasProbe, type BiasProbeOptions } from "./tasks/bias-probe.js";
import { classify, type Classification, type ClassifyOptions } from "./tasks/classify.js";
import {
  classifyZeroShot,
  type ZeroShotClassification,
  type ZeroShotOptions,
} from "./tasks/classify-zero-shot.js";
import {
  detectReplaced,
  type DetectReplacedOptions,
  type TokenReplacement,
} from "./tasks/detect-replaced.js";
import { embed, type EmbedOptions } from "./tasks/embed.js";
import { embedSparse, type EmbedSparseOptions, type SparseEmbedding } from "./tasks/embed-sparse.js";
import { embedTokens, type EmbedTokensOptions, type TokenEmbeddings } from "./tasks/embed-tokens.js";
import { embedWindows, type EmbeddedText, type EmbedWindowsOptions } from "./tasks/embed-windows.js";
import type { EmbeddingOf, EmbeddingPrecision } from "./tasks/embedding-precision.js";
import { encode, type EncodeOptions, type EncoderOutput } from "./tasks/encode.js";
import { fillMask, type FillMaskOptions, type FillMaskResult } from "./tasks/fill-mask.js";
import {
  nextSentence,
  sentencePair,
  type NextSentenceOptions,
  type NextSentenceResult,
} from "./tasks/next-sentence.js";
import {
  pseudoLogLikelihood,
  type PseudoLogLikelihood,
  type PseudoLogLikelihoodOptions,
} from "./tasks/pseudo-log-likelihood.js";
import { recognizeEntities, type Entity, type RecognizeEntitiesOptions } from "./tasks/recognize-entities.js";
import { rerank, type RankedDocument, type RerankOptions } from "./tasks/rerank.js";
import type { Tokenizer } from "./tokenizer/index.js";

defineDisposeSymbols();

export type { EncoderInfo } from "./encoder-info.js";

/** What a task needs of an encoder. */
export interface EncoderCore {
  readonly model: NativeModel;
  readonly tokenizer: Tokenizer;
  readonly info: EncodingInfo;
  readonly classifier: ClassifierInfo;
}

/**
 * A loaded BERT-family encoder. Its methods may be called at once and as often as wanted: texts of calls in
 * flight share batches, and each result is bit-identical to that of a call alone.
 *
 * All methods reject with {@link InvalidArgumentError} for an argument or option of the wrong type, value or
 * name, {@link InputTooLongError} for inputs over the limit, {@link AbortError} when `signal` fires, and
 * {@link DisposedError} after `dispose()`.
 *
 * @example
 * ```ts
 * await using encoder = await Encoder.load("mini-embed");
 * const [query, passage] = await encoder.embed(["a whale", "Moby Dick"]);
 * ```
 */
export class Encoder implements AsyncDisposable, Disposable {
  readonly #core: EncoderCore & { readonly info: EncoderInfo };
  #disposed = false;

  private constructor(core: EncoderCore & { readonly info: EncoderInfo }) {
    this.#core = core;
  }

  /**
   * Loads a model: a path to a GGUF file, or the name of an embedded one (`"mini-embed"`, `"mini-bert"`).
   *
   * @throws ModelFileError when there is no such file, or naming what is wrong in it.
   * @throws UnsupportedError when the file is sound but not an encoder computed here.
   * @throws OutOfMemoryError before anything is allocated, with the bytes required and available.
   * @throws DeviceError when `device` is not one of {@link devices}.
   */
  static async load(pathOrName: string, options?: LoadOptions): Promise<Encoder> {
    const loaded = await loadModel("encoder", pathOrName, options);
    const { model, tokenizer, file } = loaded;
    return new Encoder({ model, tokenizer, info: encoderInfo(loaded), classifier: file.classifier });
  }

  /** What is known of the model. */
  get info(): EncoderInfo {
    return this.#core.info;
  }

  /** The model's tokenizer. */
  get tokenizer(): Tokenizer {
    return this.#core.tokenizer;
  }

  /**
   * One vector per text, [H] or `dimensions` values, in the order of `texts`: what sentence-transformers computes
   * (Reimers & Gurevych, arXiv:1908.10084). An empty text is embedded as there, as `[CLS] [SEP]`.
   */
  embed<P extends EmbeddingPrecision = "float32">(
    text: string,
    options?: EmbedOptions<P>,
  ): Promise<EmbeddingOf<P>>;
  embed<P extends EmbeddingPrecision = "float32">(
    texts: readonly string[],
    options?: EmbedOptions<P>,
  ): Promise<EmbeddingOf<P>[]>;
  async embed(
    texts: string | readonly string[],
    options?: EmbedOptions<EmbeddingPrecision>,
  ): Promise<EmbeddingOf<EmbeddingPrecision> | EmbeddingOf<EmbeddingPrecision>[]> {
    return embed(this.#usable(), texts, options);
  }

  /**
   * Weights for the tokens of the vocabulary, most of them 0, of one text or many, as SPLADE models learn them
   * (Formal et al., arXiv:2107.05720 and 2109.10086): see {@link sparseSimilarity}.
   *
   * @throws UnsupportedError when the model has no masked-language-model head.
   */
  embedSparse(text: string, options?: EmbedSparseOptions): Promise<SparseEmbedding>;
  embedSparse(texts: readonly string[], options?: EmbedSparseOptions): Promise<SparseEmbedding[]>;
  async embedSparse(
    texts: string | readonly string[],
    options?: EmbedSparseOptions,
  ): Promise<SparseEmbedding | SparseEmbedding[]> {
    return embedSparse(this.#usable(), texts, options);
  }

  /**
   * A vector for every token of one text or many, for late interaction (Khattab & Zaharia, arXiv:2004.12832): see
   * {@link maxSim}.
   */
  embedTokens(text: string, options?: EmbedTokensOptions): Promise<TokenEmbeddings>;
  embedTokens(texts: readonly string[], options?: EmbedTokensOptions): Promise<TokenEmbeddings[]>;
  async embedTokens(
    texts: string | readonly string[],
    options?: EmbedTokensOptions,
  ): Promise<TokenEmbeddings | TokenEmbeddings[]> {
    return embedTokens(this.#usable(), texts, options);
  }

  /**
   * One text or many of any length, in windows that overlap: a vector for each window, with its place in the text,
   * and one for the whole.
   */
  embedWindows(text: string, options?: EmbedWindowsOptions): Promise<EmbeddedText>;
  embedWindows(texts: readonly string[], options?: EmbedWindowsOptions): Promise<EmbeddedText[]>;
  async embedWindows(
    texts: string | readonly string[],
    options?: EmbedWindowsOptions,
  ): Promise<EmbeddedText | EmbeddedText[]> {
    return embedWindows(this.#usable(), texts, options);
  }

  /**
   * The hidden states of each input, [S, H], and, where asked for, more of what the model computes.
   *
   * @throws UnsupportedError when `poolerOutput` is true and the model has no pooler.
   */
  encode(input: EncoderInput, options?: EncodeOptions): Promise<EncoderOutput>;
  encode(inputs: readonly EncoderInput[], options?: EncodeOptions): Promise<EncoderOutput[]>;
  async encode(
    inputs: EncoderInput | readonly EncoderInput[],
    options?: EncodeOptions,
  ): Promise<EncoderOutput | EncoderOutput[]> {
    return encode(this.#usable(), inputs, options);
  }

  /**
   * Candidates for every mask token (for BERT `[MASK]`) of each text, which has at least one (Devlin et al.,
   * arXiv:1810.04805).
   *
   * @throws UnsupportedError when the model has no masked-language-model head.
   */
  fillMask(text: string, options?: FillMaskOptions): Promise<FillMaskResult>;
  fillMask(texts: readonly string[], options?: FillMaskOptions): Promise<FillMaskResult[]>;
  async fillMask(
    texts: string | readonly string[],
    options?: FillMaskOptions,
  ): Promise<FillMaskResult | FillMaskResult[]> {
    return fillMask(this.#usable(), texts, options);
  }

  /**
   * Whether `b` follows `a` in running text, for one pair or many (Devlin et al., arXiv:1810.04805). ALBERT's head was trained to tell two consecutive
   * sentences from the same two swapped: with it, whether they are in order.
   *
   * @throws UnsupportedError when the model has neither a next-sentence head nor ALBERT's.
   */
  nextSentence(a: string, b: string, options?: NextSentenceOptions): Promise<NextSentenceResult>;
  nextSentence(
    pairs: readonly (readonly [a: string, b: string])[],
    options?: NextSentenceOptions,
  ): Promise<NextSentenceResult[]>;
  async nextSentence(
    a: string | readonly (readonly [a: string, b: string])[],
    b?: string | NextSentenceOptions,
    options?: NextSentenceOptions,
  ): Promise<NextSentenceResult | NextSentenceResult[]> {
    const core = this.#usable();
    if (typeof a === "string") {
      const pair = { text: a, pair: string(b, "b") };
      return (await nextSentence(core, [pair], options))[0]!;
    }
    if (!Array.isArray(a)) throw expected("a string or an array of pairs", "a", a);
    const pairs = await checkEach(a, "pairs", sentencePair);
    return nextSentence(core, pairs, b);
  }

  /**
   * Which tokens of one text, or of many, look as if they had been put in the place of others: ELECTRA's
   * discriminator (Clark et al., arXiv:2003.10555). Special tokens are left out.
   *
   * @throws UnsupportedError when the model has no replaced-token head.
   */
  detectReplaced(text: string, options?: DetectReplacedOptions): Promise<TokenReplacement[]>;
  detectReplaced(texts: readonly string[], options?: DetectReplacedOptions): Promise<TokenReplacement[][]>;
  async detectReplaced(
    texts: string | readonly string[],
    options?: DetectReplacedOptions,
  ): Promise<TokenReplacement[] | TokenReplacement[][]> {
    return detectReplaced(this.#usable(), texts, options);
  }

  /**
   * How likely one text or many are: every token is masked in turn, and the model asked how likely it is there
   * (Salazar et al., arXiv:1910.14659). A text of S tokens is computed S times.
   *
   * @throws UnsupportedError when the model has no masked-language-model head.
   */
  pseudoLogLikelihood(text: string, options?: PseudoLogLikelihoodOptions): Promise<PseudoLogLikelihood>;
  pseudoLogLikelihood(
    texts: readonly string[],
    options?: PseudoLogLikelihoodOptions,
  ): Promise<PseudoLogLikelihood[]>;
  async pseudoLogLikelihood(
    texts: string | readonly string[],
    options?: PseudoLogLikelihoodOptions,
  ): Promise<PseudoLogLikelihood | PseudoLogLikelihood[]> {
    return pseudoLogLikelihood(this.#usable(), texts, options);
  }

  /**
   * How often the model prefers the first sentence of each pair, a stereotype, to the second, which goes against
   * it and differs in a few words: the measure of CrowS-Pairs (Nangia et al., arXiv:2010.00133).
   *
   * @throws UnsupportedError when the model has no masked-language-model head.
   */
  async biasProbe(
    pairs: readonly (readonly [stereotype: string, antiStereotype: string])[],
    options?: BiasProbeOptions,
  ): Promise<BiasProbe> {
    return biasProbe(this.#usable(), pairs, options);
  }

  /**
   * Scores of the classifier's labels for a text, or a text with a second one (`{ text, pair }`), or many.
   *
   * @throws UnsupportedError when the model has no sequence classifier.
   */
  classify(input: EncoderInput, options?: ClassifyOptions): Promise<Classification>;
  classify(inputs: readonly EncoderInput[], options?: ClassifyOptions): Promise<Classification[]>;
  async classify(
    inputs: EncoderInput | readonly EncoderInput[],
    options?: ClassifyOptions,
  ): Promise<Classification | Classification[]> {
    return classify(this.#usable(), inputs, options);
  }

  /**
   * Scores labels of the caller's own, which the model has never seen: a label becomes a sentence, and its score
   * is how far the model holds that this sentence follows from the text (Yin, Hay & Roth, arXiv:1909.00161).
   *
   * @throws UnsupportedError when the model has no sequence classifier with a label for entailment.
   */
  classifyZeroShot(
    text: string,
    labels: readonly string[],
    options?: ZeroShotOptions,
  ): Promise<ZeroShotClassification>;
  classifyZeroShot(
    texts: readonly string[],
    labels: readonly string[],
    options?: ZeroShotOptions,
  ): Promise<ZeroShotClassification[]>;
  async classifyZeroShot(
    texts: string | readonly string[],
    labels: readonly string[],
    options?: ZeroShotOptions,
  ): Promise<ZeroShotClassification | ZeroShotClassification[]> {
    return classifyZeroShot(this.#usable(), texts, labels, options);
  }

  /**
   * Ranks documents by how well they answer a query, the best first. Documents that do not fit into the context
   * together with the query are read in windows.
   *
   * @throws UnsupportedError when the model has no sequence classifier of one label.
   */
  async rerank(
    query: string,
    documents: readonly string[],
    options?: RerankOptions,
  ): Promise<RankedDocument[]> {
    return rerank(this.#usable(), query, documents, options);
  }

  /**
   * Entities, for example names, in one text or many, in the order of the text. Texts of any length are read in
   * windows.
   *
   * @throws UnsupportedError when the model has no token classifier.
   */
  recognizeEntities(text: string, options?: RecognizeEntitiesOptions): Promise<Entity[]>;
  recognizeEntities(texts: readonly string[], options?: RecognizeEntitiesOptions): Promise<Entity[][]>;
  async recognizeEntities(
    texts: string | readonly string[],
    options?: RecognizeEntitiesOptions,
  ): Promise<Entity[] | Entity[][]> {
    return recognizeEntities(this.#usable(), texts, options);
  }

  /**
   * The words of a context that answer a question, for one question or many. Contexts of any length are read in
   * windows.
   *
   * @throws UnsupportedError when the model has no question-answering head.
   */
  answer(input: QuestionInput, options?: AnswerOptions): Promise<AnswerResult>;
  answer(inputs: readonly QuestionInput[], options?: AnswerOptions): Promise<AnswerResult[]>;
  async answer(
    inputs: QuestionInput | readonly QuestionInput[],
    options?: AnswerOptions,
  ): Promise<AnswerResult | AnswerResult[]> {
    return answer(this.#usable(), inputs, options);
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

  #usable(): EncoderCore {
    if (this.#disposed) throw new DisposedError("The encoder");
    return this.#core;
  }
}
