/** What the addon is asked to compute, and what it gives. Shapes use the symbols of native.ts. */
import type { Automaton } from "./constraint/automaton.js";
import type { NativeModel } from "./native.js";

/** How the vectors of a text's tokens become one: their mean or maximum, the first token's, or the last's. */
export type PoolingMode = "mean" | "cls" | "max" | "last";

export interface EncodeRequest {
  /** Token ids of all sequences end to end, [T]. */
  ids: Int32Array;
  /** Segment ids, [T]; zeros when absent. */
  segments?: Int32Array;
  /** Length of each sequence, [B]; their sum is T. Zero-length sequences are refused. */
  lengths: Int32Array;
  /** Pool the last hidden state per sequence: `pooled`, [B, H]. */
  pooling?: PoolingMode;
  /** Scale each pooled vector to unit L2 length (a zero vector stays zero). */
  normalize?: boolean;
  /** `lastHiddenState`, [T, H]. */
  lastHiddenState?: boolean;
  /** `poolerOutput` = tanh(W h_[CLS] + b), [B, H]; the model must have a pooler. */
  poolerOutput?: boolean;
  /** `hiddenStates`: per sequence [L + 1, S, H], sequences end to end. */
  hiddenStates?: boolean;
  /** `attentions`: per sequence [L, A, S, S] (rows: queries), sequences end to end. */
  attentions?: boolean;
  /** Positions in [0, T) whose masked-token logits are wanted: `mlmLogits`, [M, V]; the model must have the head. */
  mlmPositions?: Int32Array;
  /** `nextSentenceLogits`, [B, 2] = (is next, not next); the model must have the head. */
  nextSentence?: boolean;
  /** `sequenceLogits`, [B, labels]: the classifier over the pooler's output; the model must have both. */
  sequenceLogits?: boolean;
  /** `tokenLogits`, [T, labels]: the classifier over every token; the model must have it. */
  tokenLogits?: boolean;
  /** `answerLogits`, [T, 2] = (start, end) of an answer; the model must have the head. */
  answerLogits?: boolean;
  /** `replacedLogits`, [T]: positive for tokens that were replaced; the model must have the head. */
  replacedLogits?: boolean;
  /** `sparse`, [B]: weights of the vocabulary's tokens; the model must have a masked-token head. */
  sparse?: SparseRequest;
}

/** How the weights that the tokens of a text give to a token of the vocabulary become one. */
export type SparsePooling = "max" | "sum";
/** What a logit x weighs: log(1 + max(0, x)), or with `"log1p_relu"` log(1 + log(1 + max(0, x))). */
export type SparseActivation = "relu" | "log1p_relu";

export interface SparseRequest {
  pooling: SparsePooling;
  activation: SparseActivation;
  /** Only weights above it are returned; at least 0. */
  threshold: number;
  /** Only so many, the largest, are returned; at least 1. */
  most: number;
}

/** The weights that are kept, in order of token ids. */
export interface SparseVector {
  indices: Int32Array;
  values: Float32Array;
}

/** Outputs that are plain numbers. */
export interface DenseResult {
  pooled?: Float32Array;
  lastHiddenState?: Float32Array;
  poolerOutput?: Float32Array;
  hiddenStates?: Float32Array;
  attentions?: Float32Array;
  mlmLogits?: Float32Array;
  nextSentenceLogits?: Float32Array;
  sequenceLogits?: Float32Array;
  tokenLogits?: Float32Array;
  answerLogits?: Float32Array;
  replacedLogits?: Float32Array;
}

export interface EncodeResult extends DenseResult {
  sparse?: SparseVector[];
}

export interface SamplingOptions {
  /** Softmax temperature; 0 is greedy. */
  temperature: number;
  /** Keep the k most likely tokens; 0 keeps all. */
  topK: number;
  /** Keep the smallest set whose probability reaches p; 1 keeps all. */
  topP: number;
  /** Seed of the generator, an unsigned 32-bit integer. */
  seed: number;
  /** Half the width of the range of temperatures that the entropy chooses from. */
  dynamicRange?: number;
  dynamicExponent?: number;
  minP?: number;
  typicalP?: number;
  topNSigma?: number;
  xtcProbability?: number;
  xtcThreshold?: number;
  mirostat?: 1 | 2;
  mirostatTau?: number;
  mirostatEta?: number;
  repetitionPenalty?: number;
  frequencyPenalty?: number;
  presencePenalty?: number;
  /** Tokens that the three penalties look back; 0 for all. */
  penaltyWindow?: number;
  dryMultiplier?: number;
  dryBase?: number;
  dryAllowedLength?: number;
  dryWindow?: number;
  dryBreakers?: Int32Array;
  noRepeatNgramSize?: number;
  /** Token sequences. */
  badWords?: readonly Int32Array[];
  /** Until so many are new, no token of `stopIds` is taken. */
  minNewTokens?: number;
  suppressTokens?: Int32Array;
  logitBias?: { ids: Int32Array; biases: Float32Array };
  /** Forbids what it does not allow, before all samplers; `stopIds` are allowed where the text may end. */
  constraint?: NativeConstraint;
  /** Tokens of the constraint's text that were generated before. */
  constrained?: Int32Array;
  /** Names of samplers in the order in which they are applied, all that are in use among them. */
  order?: readonly string[];
}

/** How a request's logits come and go; {@link NativeModel.generate} puts the functions there. */
export interface LogitsExchange {
  /** Copies the logits, [V]. */
  read?: (into: Float32Array) => void;
  /** Has the request go on with these logits, [V]. */
  write?: (from: Float32Array) => void;
}

export interface GenerateRequest {
  /** `onToken` is called with the token -1 when logits are there, and the request waits until they are written. */
  logitsExchange?: LogitsExchange;
  /** Prompt token ids, [S], at least one. */
  ids: Int32Array;
  /** At most this many new tokens. */
  maxTokens: number;
  /** Generation ends before a token of this list is emitted. */
  stopIds: Int32Array;
  sampling: SamplingOptions;
  /** Also report the log-probability of each token under the unmodified distribution. */
  logprobs: boolean;
  /** Most tokens of prompt and continuation; undefined: the model's context length. */
  contextLength?: number;
  /** The request pauses while as many tokens as it lets through are unread; one request at a time. */
  window?: NativeTokenWindow;
  /** Where keys and values are kept between requests; one request at a time. */
  session?: NativeSession;
  /** How far log-probabilities are moved away from those after `negativeIds`; not with drafting. */
  guidanceScale?: number;
  /** Token ids, at least one; with `guidanceScale`. */
  negativeIds?: Int32Array;
  /** How tokens are guessed ahead; not with a logits exchange. */
  drafting?: Drafting;
}

/** At most so many tokens are guessed at a time, from what followed such n-grams before or by another model. */
export type Drafting = { tokens: number; ngramSize: number } | { tokens: number; model: NativeModel };

export interface BeamRequest {
  /** Prompt token ids, [S], at least one. */
  ids: Int32Array;
  /** At most this many new tokens, at least one. */
  maxTokens: number;
  /** What ends a sequence. */
  stopIds: Int32Array;
  /** Only what adjusts logits has an effect. */
  sampling: SamplingOptions;
  /** Sequences followed at a time, of all groups together. */
  beams: number;
  /** A divisor of `beams`. */
  groups: number;
  /** At most `beams`. */
  returned: number;
  lengthPenalty: number;
  diversityPenalty: number;
  earlyStopping: "off" | "on" | "never";
}

export interface BeamResult {
  /** The best first. */
  sequences: { tokens: Int32Array; score: number; finishReason: "stop" | "length" | "context" }[];
  /** Tokens of the prompt that were evaluated. */
  evaluatedTokens: number;
  timings: GenerateTimings;
}

declare const constraintBrand: unique symbol;

/** What a generation may write, for a vocabulary. Only for {@link SamplingOptions}. */
export interface NativeConstraint {
  readonly [constraintBrand]: true;
}

/** A vocabulary's tokens as bytes of texts. */
export interface NativeVocabulary {
  /** Throws for a network that is not sound. */
  constrain(automaton: Automaton): NativeConstraint;
}

/** How far a request may be ahead of whoever reads its tokens. While it is paused it does not keep the process alive. */
export interface NativeTokenWindow {
  /** Tells that so many more tokens have been read. */
  read(count: number): void;
}

/** Type in which keys and values are kept. */
export type KvType = "f32" | "f16" | "q8_0";

/** What a model keeps of a sequence between requests. Throws while a request has it. */
export interface NativeSession {
  /** Tokens whose keys and values are kept. */
  tokens(): Int32Array;
  /** Another one that has the same, but for up to 15 tokens at the end. */
  fork(): NativeSession;
  /** Keys and values of tokens [first, first + count), [L][2][count, H]; multiples of 16. */
  read(first: number, count: number): Float32Array;
  /** The inverse, in order from 0; then `commit` tells the tokens. */
  write(first: number, count: number, rows: Float32Array): void;
  commit(tokens: Int32Array): void;
  /** Frees everything, once no request has it. */
  dispose(): void;
}

export interface GenerateTimings {
  /** Milliseconds from the call to the start of the prompt's evaluation. */
  queuedMs: number;
  /** Milliseconds spent on the prompt. */
  promptMs: number;
  /** Milliseconds spent on the tokens after the first. */
  decodeMs: number;
}

export interface GenerateResult {
  tokens: Int32Array;
  logprobs?: Float32Array;
  /** `stop`: a stop id; `length`: `maxTokens` reached; `context`: the context is full; `cancelled`: by its task. */
  finishReason: "stop" | "length" | "context" | "cancelled";
  /** Tokens of the prompt that had to be evaluated; the others were known. */
  evaluatedTokens: number;
  /** Tokens that were guessed and checked. */
  draftedTokens: number;
  /** Those that were right. */
  acceptedTokens: number;
  timings: GenerateTimings;
}

export interface ScoreRequest {
  /** Token ids, [S], at least two. */
  ids: Int32Array;
  /** The first token that is scored, at least 1: what comes before is context. N = S - first. */
  first: number;
  /** How many of the likeliest tokens are reported for each, K; 0 for none. */
  topK: number;
  /** Keep the context's keys and values for requests that begin alike, and use theirs. */
  sharePrompt?: boolean;
}

export interface ScoreResult {
  /** Natural logarithm of each token's probability, [N]. */
  logprobs: Float32Array;
  /** 1 for the likeliest token of its place, [N]. */
  ranks: Int32Array;
  /** The likeliest tokens, the first the likeliest, [N, K]. */
  topIds: Int32Array;
  /** Theirs, [N, K]. */
  topLogprobs: Float32Array;
}
