import type { AddedToken } from "./added-tokens.js";
import { BertNormalizer, type BertNormalizerSettings } from "./bert-normalizer.js";
import type { Decoder } from "./decoders.js";
import type { Model } from "./model.js";
import type { Normalizer } from "./normalizers.js";
import type { PipelineParts, PreTokenization } from "./pipeline.js";
import type { PostProcessing } from "./post-processing.js";
import { BertPreTokenizer, Gpt2Split } from "./pre-tokenizers.js";
import { BertWordScanner, Gpt2WordScanner } from "./word-scanners.js";

/** Roles of special tokens that callers ask for. */
export const SPECIAL_ROLES = ["cls", "sep", "mask", "pad", "unk", "bos", "eos"] as const;
/** What a special token is for. */
export type SpecialRole = (typeof SPECIAL_ROLES)[number];

/** What the configuration files beside a tokenizer say. */
export interface TokenizerConfig {
  /** Names of special tokens by role. */
  specialTokens: Partial<Record<SpecialRole, string>>;
  /** Longest input of the model in tokens, when stated. */
  modelMaxLength: number | undefined;
  /** Default of `cleanUpSpaces`. */
  cleanUpSpaces: boolean | undefined;
}

export const NO_CONFIG: TokenizerConfig = {
  specialTokens: {},
  modelMaxLength: undefined,
  cleanUpSpaces: undefined,
};

/** Everything a tokenizer is made of, wherever it was read from. */
export interface TokenizerParts {
  addedTokens: readonly AddedToken[];
  pipeline: PipelineParts;
  postProcessing: PostProcessing;
  decoder: Decoder;
  config: TokenizerConfig;
}

/** A normalizer as files name it. */
export type NormalizerChoice = { bert: BertNormalizerSettings } | { normalizer: Normalizer } | undefined;

/** Pre-tokenizers in their order; byte-level says whether the model splits words into bytes. */
export interface PreTokenizerChoice {
  stages: readonly PreTokenization[];
  byteLevel: boolean;
}

/** Puts a pipeline together, with scanners where the pre-tokenizer is BERT's or GPT-2's alone. */
export function pipelineOf(
  normalizer: NormalizerChoice,
  preTokenizer: PreTokenizerChoice,
  addedTokens: readonly AddedToken[],
  model: Model,
): PipelineParts {
  const bert = normalizer !== undefined && "bert" in normalizer ? normalizer.bert : undefined;
  const stages = preTokenizer.stages.filter((stage) => stage !== "add-prefix-space");
  const addPrefixSpace =
    stages.length < preTokenizer.stages.length && preTokenizer.stages[0] === "add-prefix-space";
  const parts: PipelineParts = {
    addedTokens,
    normalizer: normalizerOf(normalizer),
    streamingNormalizer: undefined,
    scanner: undefined,
    addPrefixSpace: false,
    preTokenizations: preTokenizer.stages,
    model,
  };
  const only = stages.length === 1 ? stages[0] : undefined;
  if (only instanceof Gpt2Split && (addPrefixSpace || preTokenizer.stages.length === 1)) {
    return { ...parts, scanner: new Gpt2WordScanner(), addPrefixSpace };
  }
  if (only instanceof BertPreTokenizer && preTokenizer.stages.length === 1) {
    const isolateCjk = bert?.spaceCjk ?? false;
    const streamingNormalizer = bert && new BertNormalizer(bert, true);
    return { ...parts, scanner: new BertWordScanner(isolateCjk), streamingNormalizer };
  }
  return parts;
}

function normalizerOf(choice: NormalizerChoice): Normalizer | undefined {
  if (choice === undefined) return undefined;
  return "bert" in choice ? new BertNormalizer(choice.bert, false) : choice.normalizer;
}
