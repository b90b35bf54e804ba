/**
 * SentencePiece's unigram tokenizers (llama.cpp calls them t5) from llama.cpp's keys alone: tokens, scores, the compiled
 * normalizer map, and what happens to spaces.
 */
import { UnsupportedError } from "../errors.js";
import type { AddedToken } from "./added-tokens.js";
import { Charsmap } from "./charsmap.js";
import { Precompiled } from "./charsmap-normalizer.js";
import { MetaspaceDecoder } from "./decoders.js";
import {
  addedTokens,
  bad,
  flag,
  numbers,
  specialIds,
  specialTokens,
  strings,
  TOKEN_TYPE,
  TOKENS_PER_STEP,
  tokenTypes,
  type GgufMetadata,
} from "./gguf-fields.js";
import { buildUnigram } from "./load-unigram.js";
import { Metaspace } from "./metaspace.js";
import { PLAIN, type PostProcessing, type TemplatePiece } from "./post-processing.js";
import { WhitespaceSplit } from "./pre-tokenizers.js";
import type { Steps } from "./time-slices.js";
import {
  NO_CONFIG,
  pipelineOf,
  type NormalizerChoice,
  type PreTokenizerChoice,
  type SpecialRole,
  type TokenizerParts,
} from "./tokenizer-parts.js";
import type { TokenList } from "./vocabulary.js";

const MARK = "\u2581";
const TOKENS = "tokenizer.ggml.tokens";
const SCORES = "tokenizer.ggml.scores";
const CHARSMAP = "tokenizer.ggml.precompiled_charsmap";

type Ids = Partial<Record<SpecialRole, number>>;

export function* loadGgufUnigram(metadata: GgufMetadata): Steps<TokenizerParts> {
  const stored = yield* strings(metadata, TOKENS);
  const types = tokenTypes(metadata, stored.length);
  const scores = yield* scoresOf(metadata, stored.length);
  const ids = specialIds(metadata, stored);
  // The unknown token is a special one: written out in a text it is found there.
  const matched = Int32Array.from(types, (type) => (type === TOKEN_TYPE.unknown ? TOKEN_TYPE.control : type));
  const added = (yield* addedTokens(stored, matched)).map((token) => withoutSpaceBeforeMask(token, ids));
  const tokens = usedTokens(stored, types);
  if (flag(metadata, "tokenizer.ggml.treat_whitespace_as_suffix") === true) {
    const field = "tokenizer.ggml.treat_whitespace_as_suffix";
    throw new UnsupportedError("Unigram tokenizers with marks after words are not supported", { field });
  }
  const prefix = flag(metadata, "tokenizer.ggml.add_space_prefix") ?? true;
  const model = yield* buildUnigram(tokens, scores, TOKENS, {
    unknownId: ids.unk ?? (yield* firstOfType(types, TOKEN_TYPE.unknown)),
    byteFallback: (yield* firstOfType(types, TOKEN_TYPE.byte)) !== undefined,
  });
  return {
    addedTokens: added,
    pipeline: pipelineOf(yield* normalizer(metadata), preTokenizer(metadata, prefix), added, model),
    postProcessing: postProcessing(metadata, ids, stored),
    decoder: new MetaspaceDecoder(MARK, prefix),
    config: { ...NO_CONFIG, specialTokens: specialTokens(ids, stored) },
  };
}

/** One finite number per token. */
function* scoresOf(metadata: GgufMetadata, count: number): Steps<ArrayLike<number>> {
  const scores = numbers(metadata, SCORES, count);
  if (scores === undefined) throw bad(`an array of ${count} numbers`, SCORES, undefined);
  for (let id = 0; id < count; id++) {
    if (!Number.isFinite(scores[id])) throw bad("a finite number", `${SCORES}[${id}]`, scores[id]);
    if (id % TOKENS_PER_STEP === 0) yield;
  }
  return scores;
}

/** Rows of the embedding without a token have made-up names at the end: no text spells them. */
function usedTokens(stored: TokenList, types: ArrayLike<number>): TokenList {
  let length = stored.length;
  while (length > 0 && types[length - 1] === TOKEN_TYPE.unused) length--;
  return { length, at: (id) => (id < length ? stored.at(id) : undefined) };
}

function* firstOfType(types: ArrayLike<number>, type: number): Steps<number | undefined> {
  for (let id = 0; id < types.length; id++) {
    if (types[id] === type) return id;
    if (id % (64 * TOKENS_PER_STEP) === 0) yield;
  }
  return undefined;
}

/** The mask takes the spaces before it along, in all models that have both. */
function withoutSpaceBeforeMask(token: AddedToken, { mask }: Ids): AddedToken {
  return token.id === mask ? { ...token, lstrip: true } : token;
}

function* normalizer(metadata: GgufMetadata): Steps<NormalizerChoice> {
  const value = metadata.get(CHARSMAP);
  if (value === undefined) return undefined;
  const isBytes = value instanceof Uint8Array || value instanceof Int8Array;
  if (!isBytes) throw bad("an array of bytes", CHARSMAP, value);
  if (value.length === 0) return undefined;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return { normalizer: new Precompiled(yield* Charsmap.parse(bytes, CHARSMAP)) };
}

/** Words begin with marks; without superfluous spaces it is words that get them, else each space becomes one. */
function preTokenizer(metadata: GgufMetadata, prefix: boolean): PreTokenizerChoice {
  const removesSpaces = flag(metadata, "tokenizer.ggml.remove_extra_whitespaces") ?? false;
  const marks = new Metaspace(MARK, prefix ? "always" : "never", true);
  const stages = removesSpaces && prefix ? [new WhitespaceSplit(), marks] : [marks];
  return { stages, byteLevel: false };
}

/** Special tokens around texts; between two there is one more where the file says so. */
function postProcessing(metadata: GgufMetadata, ids: Ids, tokens: TokenList): PostProcessing {
  const asked = (name: string, role: SpecialRole | undefined): number[] => {
    const wanted = flag(metadata, `tokenizer.ggml.add_${name}_token`) === true;
    const id = role === undefined ? undefined : ids[role];
    return wanted && id !== undefined ? [id] : [];
  };
  const bos = asked("bos", ids.bos === undefined ? "cls" : "bos");
  const eos = asked("eos", ids.eos === undefined ? "sep" : "eos");
  const sep = asked("sep", ids.sep === undefined ? "eos" : "sep");
  // Models that take BERT's tokens over take its segments over, too.
  const second = bos.length > 0 && tokens.at(bos[0]!) === "[CLS]" ? 1 : 0;
  const special = (typeId: number) => (id: number) => ({ kind: "special", id, typeId }) as const;
  const sequence = (which: 0 | 1, typeId: number): TemplatePiece => ({
    kind: "sequence",
    sequence: which,
    typeId,
  });
  const single = [...bos.map(special(0)), sequence(0, 0), ...eos.map(special(0))];
  const rest = [sequence(1, second), ...eos.map(special(second))];
  return { ...PLAIN, single, pair: [...single, ...sep.map(special(0)), ...rest] };
}
