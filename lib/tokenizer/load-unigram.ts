/** Unigram models from tokenizer.json, and from tokens and scores however they were stored. */
import { TokenizerError } from "../errors.js";
import { asArray, asBoolean, asIndex, badField, field } from "./json-fields.js";
import type { JsonObject } from "./json-slices.js";
import type { Steps } from "./time-slices.js";
import { Unigram, type UnigramSettings } from "./unigram.js";
import { Vocabulary, type TokenList } from "./vocabulary.js";

/** A model whose vocabulary is a list of tokens with their scores. */
export function* unigramModel(model: JsonObject): Steps<Unigram> {
  const tokens: string[] = [];
  const scores: number[] = [];
  for (const [i, entry] of asArray(model.get("vocab"), "model.vocab").entries()) {
    const [token, score, ...more] = Array.isArray(entry) ? entry : [];
    if (typeof token !== "string" || typeof score !== "number" || more.length > 0) {
      throw badField("a token and its score", `model.vocab[${i}]`, entry);
    }
    tokens.push(token);
    scores.push(score);
    if (i % 1024 === 0) yield;
  }
  const unknownId = model.get("unk_id");
  return yield* buildUnigram(tokens, scores, "model.vocab", {
    unknownId: unknownId === undefined || unknownId === null ? undefined : asIndex(unknownId, "model.unk_id"),
    byteFallback: field(model, "byte_fallback", "model", asBoolean, false),
  });
}

/**
 * A number as the reference's JSON reader (serde_json) reads it: its digits as an integer, rounded to a double, times
 * or by a power of ten. Of sixteen digits and more the last bit may differ from the right one, and between ways whose
 * sums are equal but for that bit, it decides.
 */
function asReferenceReads(value: number): number {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value));
  if (match === null) return value;
  const [, sign, whole, fraction = "", shift = "0"] = match;
  const exponent = Number(shift) - fraction.length;
  const power = Number(`1e${Math.abs(exponent)}`);
  const digits = Number(whole + fraction);
  const size = exponent < 0 ? digits / power : digits * power;
  return sign === "" ? size : -size;
}

/** `source`: what tokens and scores come from, for errors. */
export function* buildUnigram(
  tokens: TokenList,
  scores: ArrayLike<number>,
  source: string,
  settings: UnigramSettings,
): Steps<Unigram> {
  const { unknownId = 0 } = settings;
  if (unknownId >= tokens.length && settings.unknownId !== undefined) {
    const message = `Expected the id of the unknown token below ${tokens.length}, the size of ${source}, but received ${unknownId}`;
    throw new TokenizerError(message, { field: "model.unk_id", id: unknownId });
  }
  const checked = new Float64Array(tokens.length);
  const ids = new Int32Array(tokens.length);
  for (let i = 0; i < tokens.length; i++) {
    const score = scores[i]!;
    // Beyond this sums of scores would no longer be finite.
    if (!(Math.abs(score) <= 1e100)) {
      const message = `Expected a score between -1e100 and 1e100 for ${source}[${i}] but received ${score}`;
      throw new TokenizerError(message, { field: `${source}[${i}]`, score });
    }
    checked[i] = asReferenceReads(score);
    ids[i] = i;
    if (i % 1024 === 1023) yield;
  }
  const vocabulary = yield* Vocabulary.build(tokens, ids, source);
  return yield* Unigram.build(vocabulary, checked, settings);
}
