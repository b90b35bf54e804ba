/**
 * Tokenizers from a vocabulary without tokenizer.json: what BERT's and GPT-2's own code would do with it. Used for
 * vocabulary files and for GGUF alike.
 */
import { TokenizerError } from "../errors.js";
import type { AddedToken } from "./added-tokens.js";
import type { BertNormalizerSettings } from "./bert-normalizer.js";
import { ByteLevelDecoder, WordPieceDecoder } from "./decoders.js";
import { buildBpe } from "./load-model.js";
import type { MergeList } from "./merge-table.js";
import type { PreTokenization } from "./pipeline.js";
import { bertProcessing, PLAIN, robertaProcessing, type PostProcessing } from "./post-processing.js";
import { BertPreTokenizer, Digits, Gpt2Split } from "./pre-tokenizers.js";
import type { Steps } from "./time-slices.js";
import { pipelineOf, type TokenizerConfig, type TokenizerParts } from "./tokenizer-parts.js";
import { preparePropertyTable } from "./unicode.js";
import { Vocabulary, type TokenList } from "./vocabulary.js";
import { WordPiece } from "./wordpiece.js";

/** Special tokens of BERT's own vocabularies. */
const BERT_TOKENS = { unk: "[UNK]", sep: "[SEP]", pad: "[PAD]", cls: "[CLS]", mask: "[MASK]" } as const;
const ROBERTA_TOKENS = {
  bos: "<s>",
  eos: "</s>",
  sep: "</s>",
  cls: "<s>",
  unk: "<unk>",
  pad: "<pad>",
  mask: "<mask>",
} as const;
const GPT2_TOKENS = { bos: "<|endoftext|>", eos: "<|endoftext|>", unk: "<|endoftext|>" } as const;

/** A special token that is part of the vocabulary. */
function specialToken(content: string, id: number, lstrip = false): AddedToken {
  return { id, content, special: true, singleWord: false, lstrip, rstrip: false, normalized: false };
}

/** Added tokens: those given, and special tokens the vocabulary has. */
function withSpecialTokens(
  given: readonly AddedToken[],
  config: TokenizerConfig,
  vocabulary: Vocabulary,
  stripsBeforeMask: boolean,
): AddedToken[] {
  const tokens = [...given];
  for (const [role, content] of Object.entries(config.specialTokens)) {
    const id = vocabulary.idOf(content);
    if (id < 0 || tokens.some((token) => token.content === content)) continue;
    tokens.push(specialToken(content, id, stripsBeforeMask && role === "mask"));
  }
  return tokens;
}

/** The id of a token that must be there. */
function requiredId(name: string, tokens: readonly AddedToken[], vocabulary: Vocabulary): number {
  const id = tokens.find((token) => token.content === name)?.id ?? vocabulary.idOf(name);
  if (id >= 0) return id;
  throw new TokenizerError(`Expected token ${JSON.stringify(name)} in the vocabulary but it is not there`, {
    field: "vocabulary",
    token: name,
  });
}

export interface VocabularySource {
  tokens: TokenList;
  /** Ids of the tokens; their places in `tokens` when absent. */
  ids?: ArrayLike<number>;
  /** What the tokens come from, for errors. */
  field: string;
  addedTokens: readonly AddedToken[];
  config: TokenizerConfig;
}

function placesOf(source: VocabularySource): ArrayLike<number> {
  if (source.ids !== undefined) return source.ids;
  const places = new Int32Array(source.tokens.length);
  for (let i = 0; i < places.length; i++) places[i] = i;
  return places;
}

/** BERT: WordPiece with `##`, at most 100 characters a word. */
export function* loadBert(
  source: VocabularySource,
  normalizer: BertNormalizerSettings,
): Steps<TokenizerParts> {
  yield* preparePropertyTable();
  const config = { ...source.config, specialTokens: { ...BERT_TOKENS, ...source.config.specialTokens } };
  const vocabulary = yield* Vocabulary.build(source.tokens, placesOf(source), source.field);
  const addedTokens = withSpecialTokens(source.addedTokens, config, vocabulary, false);
  const model = yield* WordPiece.build(vocabulary, {
    unknownToken: config.specialTokens.unk,
    continuingPrefix: "##",
    maxCharactersPerWord: 100,
  });
  requiredId(config.specialTokens.unk, addedTokens, vocabulary);
  const cls = requiredId(config.specialTokens.cls, addedTokens, vocabulary);
  const sep = requiredId(config.specialTokens.sep, addedTokens, vocabulary);
  return {
    addedTokens,
    pipeline: pipelineOf(
      { bert: normalizer },
      { stages: [new BertPreTokenizer()], byteLevel: false },
      addedTokens,
      model,
    ),
    postProcessing: bertProcessing(cls, sep),
    decoder: new WordPieceDecoder("##", true),
    config,
  };
}

export interface ByteLevelForm {
  /** RoBERTa's special tokens around the text, and offsets without leading spaces. */
  roberta: boolean;
  addPrefixSpace: boolean;
  /** Whether every digit is a word of its own. */
  digitsApart?: boolean;
  /** Ids put before and after a text, in place of the form's own. */
  before?: readonly number[];
  after?: readonly number[];
}

/** GPT-2 and RoBERTa: BPE over bytes. */
export function* loadByteLevel(
  source: VocabularySource,
  merges: MergeList,
  form: ByteLevelForm,
): Steps<TokenizerParts> {
  yield* preparePropertyTable();
  const defaults = form.roberta ? ROBERTA_TOKENS : GPT2_TOKENS;
  const specialTokens: TokenizerConfig["specialTokens"] = { ...defaults, ...source.config.specialTokens };
  const config = { ...source.config, specialTokens };
  const vocabulary = yield* Vocabulary.build(source.tokens, placesOf(source), source.field);
  const addedTokens = withSpecialTokens(source.addedTokens, config, vocabulary, form.roberta);
  const model = yield* buildBpe(vocabulary, merges, {
    byteLevel: true,
    unknownToken: undefined,
    fuseUnknown: false,
    byteFallback: false,
    ignoreMerges: false,
    continuingPrefix: "",
    endOfWordSuffix: "",
  });
  const postProcessing = form.roberta
    ? robertaProcessing(
        requiredId(specialTokens.cls!, addedTokens, vocabulary),
        requiredId(specialTokens.sep!, addedTokens, vocabulary),
        true,
        form.addPrefixSpace,
      )
    : surrounded(form.before ?? [], form.after ?? []);
  const stages: PreTokenization[] = [new Gpt2Split()];
  if (form.digitsApart === true) stages.unshift(new Digits(true));
  if (form.addPrefixSpace) stages.unshift("add-prefix-space");
  return {
    addedTokens,
    pipeline: pipelineOf(undefined, { stages, byteLevel: true }, addedTokens, model),
    postProcessing,
    decoder: new ByteLevelDecoder(),
    config,
  };
}

/** Each text between the same ids. */
function surrounded(before: readonly number[], after: readonly number[]): PostProcessing {
  const around = (sequence: 0 | 1, typeId: number) => [
    ...before.map((id) => ({ kind: "special", id, typeId }) as const),
    { kind: "sequence", sequence, typeId } as const,
    ...after.map((id) => ({ kind: "special", id, typeId }) as const),
  ];
  return { ...PLAIN, single: around(0, 0), pair: [...around(0, 0), ...around(1, 1)] };
}
