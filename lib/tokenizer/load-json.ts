/** A tokenizer from tokenizer.json. */
import { TokenizerError } from "../errors.js";
import type { AddedToken } from "./added-tokens.js";
import { asArray, asIndex, asObject } from "./json-fields.js";
import { parseJsonInSteps, type Json } from "./json-slices.js";
import { loadDecoder, loadNormalizer, loadPreTokenizer } from "./load-components.js";
import { loadAddedToken } from "./load-config.js";
import { loadModel } from "./load-model.js";
import { loadPostProcessor } from "./load-post-processor.js";
import type { Model } from "./model.js";
import type { PostProcessing } from "./post-processing.js";
import type { Steps } from "./time-slices.js";
import { pipelineOf, type TokenizerConfig, type TokenizerParts } from "./tokenizer-parts.js";
import { preparePropertyTable } from "./unicode.js";

/**
 * Builds a tokenizer from the bytes of a tokenizer.json. `truncation` and `padding` in the file are not applied: they
 * are settings somebody saved, and would change results without a trace.
 */
export function* loadTokenizerJson(bytes: Buffer, config: TokenizerConfig): Steps<TokenizerParts> {
  const root = asObject(yield* parseJsonInSteps(bytes, "tokenizer.json"), "tokenizer.json");
  yield* preparePropertyTable();
  const normalizer = yield* loadNormalizer(root.get("normalizer"));
  const preTokenizer = loadPreTokenizer(root.get("pre_tokenizer"));
  const postProcessing = loadPostProcessor(root.get("post_processor"));
  const decoder = loadDecoder(root.get("decoder"));
  const model = yield* loadModel(root.get("model"), preTokenizer.byteLevel);
  const addedTokens = yield* loadAddedTokens(root.get("added_tokens"), model);
  checkSpecialIds(postProcessing, model, addedTokens);
  yield;
  return {
    addedTokens,
    pipeline: pipelineOf(normalizer, preTokenizer, addedTokens, model),
    postProcessing,
    decoder,
    config,
  };
}

/**
 * Added tokens with the ids the reference gives them: the vocabulary's where the token is in it, else the next after
 * the vocabulary. In files without gaps these are the ids they state; two tokens with one id are an error.
 */
function* loadAddedTokens(value: Json | undefined, model: Model): Steps<AddedToken[]> {
  if (value === undefined || value === null) return [];
  const { vocabulary } = model;
  const stated = new Map<number, string>();
  const tokens = new Map<string, AddedToken>();
  let last = vocabulary.size - 1;
  for (const [i, entry] of asArray(value, "added_tokens").entries()) {
    const path = `added_tokens[${i}]`;
    const id = asIndex(asObject(entry, path).get("id"), `${path}.id`);
    const token = loadAddedToken(entry, id, path);
    if (token.content === "") continue;
    if ((stated.get(id) ?? token.content) !== token.content) throw repeatedId(id, path);
    stated.set(id, token.content);
    const known = tokens.get(token.content)?.id ?? vocabulary.idOf(token.content);
    if (known < 0 && vocabulary.tokenOf(last + 1) !== undefined) throw repeatedId(last + 1, path);
    tokens.set(token.content, { ...token, id: known >= 0 ? known : ++last });
    if (i % 512 === 0) yield;
  }
  return [...tokens.values()];
}

function repeatedId(id: number, path: string): TokenizerError {
  const message = `Expected one token per id but received id ${id} twice, at ${path}`;
  return new TokenizerError(message, { field: `${path}.id`, id });
}

/** Ids that the post-processor adds must be ids of tokens. */
function checkSpecialIds(postProcessing: PostProcessing, model: Model, added: readonly AddedToken[]): void {
  for (const piece of [...postProcessing.single, ...postProcessing.pair]) {
    if (piece.kind !== "special") continue;
    if (model.vocabulary.tokenOf(piece.id) !== undefined || added.some((token) => token.id === piece.id))
      continue;
    const message = `Expected ids of tokens in post_processor but received ${piece.id}, which no token has`;
    throw new TokenizerError(message, { field: "post_processor", id: piece.id });
  }
}
