/** tokenizer_config.json and its like: names of special tokens, and what vocabulary files leave open. */
import type { AddedToken } from "./added-tokens.js";
import { asBoolean, asObject, asString, badField, field } from "./json-fields.js";
import { JsonObject, type Json } from "./json-slices.js";
import { SPECIAL_ROLES, type SpecialRole, type TokenizerConfig } from "./tokenizer-parts.js";

const NO_OBJECT = new JsonObject();

/** A token given by its content, or as an object with its flags. */
function tokenContent(value: Json | undefined, path: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string") return value;
  return asString(asObject(value, path).get("content"), `${path}.content`);
}

function optionalNumber(value: Json | undefined): number | undefined {
  // Hugging Face writes 1e30 where the model has no limit.
  return typeof value === "number" && value >= 1 && value < 2 ** 31 ? Math.floor(value) : undefined;
}

/** Special tokens by role, the model's limit and clean-up, from tokenizer_config.json; `value` may be absent. */
export function loadConfig(value: Json | undefined): TokenizerConfig {
  const config = value === undefined || value === null ? NO_OBJECT : asObject(value, "tokenizer_config.json");
  const specialTokens: Partial<Record<SpecialRole, string>> = {};
  for (const role of SPECIAL_ROLES) {
    const content = tokenContent(config.get(`${role}_token`), `tokenizer_config.json ${role}_token`);
    if (content !== undefined) specialTokens[role] = content;
  }
  const cleanUp = config.get("clean_up_tokenization_spaces");
  return {
    specialTokens,
    modelMaxLength: optionalNumber(config.get("model_max_length")),
    cleanUpSpaces: typeof cleanUp === "boolean" ? cleanUp : undefined,
  };
}

/** An added token from an object with `content` and flags. */
export function loadAddedToken(value: Json | undefined, id: number, path: string): AddedToken {
  const object = asObject(value, path);
  const special = field(object, "special", path, asBoolean, false);
  return {
    id,
    content: field(object, "content", path, asString),
    special,
    singleWord: field(object, "single_word", path, asBoolean, false),
    lstrip: field(object, "lstrip", path, asBoolean, false),
    rstrip: field(object, "rstrip", path, asBoolean, false),
    normalized: field(object, "normalized", path, asBoolean, !special),
  };
}

/** The `added_tokens_decoder` of tokenizer_config.json: id to token. */
export function loadAddedTokensDecoder(config: JsonObject): AddedToken[] {
  const entries = config.get("added_tokens_decoder");
  if (entries === undefined || entries === null) return [];
  const path = "tokenizer_config.json added_tokens_decoder";
  return [...asObject(entries, path)].map(([key, value]) => {
    if (!/^\d{1,7}$/.test(key)) throw badField("an id", `${path} key`, key);
    return loadAddedToken(value, Number(key), `${path}.${key}`);
  });
}
