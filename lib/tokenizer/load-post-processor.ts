/** The post-processor of tokenizer.json, compiled to templates. */
import { TokenizerError, UnsupportedError } from "../errors.js";
import {
  asArray,
  asBoolean,
  asIndex,
  asObject,
  asString,
  badField,
  field,
  typeOf,
  unknownComponent,
} from "./json-fields.js";
import { JsonObject, type Json } from "./json-slices.js";
import {
  bertProcessing,
  PLAIN,
  robertaProcessing,
  type PostProcessing,
  type TemplatePiece,
} from "./post-processing.js";

/** A special token given as [token, id]. */
function namedToken(object: JsonObject, key: string, path: string): number {
  const pair = asArray(object.get(key), `${path}.${key}`);
  if (pair.length !== 2) throw badField("a token and its id", `${path}.${key}`, pair);
  asString(pair[0], `${path}.${key}[0]`);
  return asIndex(pair[1], `${path}.${key}[1]`);
}

/** Ids of the special tokens a template may name. */
function specialTokens(value: Json | undefined, path: string): Map<string, number[]> {
  const tokens = new Map<string, number[]>();
  for (const [name, entry] of asObject(value, path)) {
    const ids = asArray(asObject(entry, `${path}.${name}`).get("ids"), `${path}.${name}.ids`);
    tokens.set(
      name,
      ids.map((id, i) => asIndex(id, `${path}.${name}.ids[${i}]`)),
    );
  }
  return tokens;
}

function templatePieces(
  value: Json | undefined,
  path: string,
  special: Map<string, number[]>,
): TemplatePiece[] {
  return asArray(value, path).flatMap((piece, i): TemplatePiece[] => {
    const at = `${path}[${i}]`;
    const object = asObject(piece, at);
    const [kind] = object.keys();
    const body = asObject(object.get(kind ?? ""), `${at}.${kind ?? "Sequence"}`);
    const typeId = field(body, "type_id", `${at}.${kind}`, asIndex);
    const id = field(body, "id", `${at}.${kind}`, asString);
    if (kind === "Sequence") {
      if (id !== "A" && id !== "B") throw badField(`"A" or "B"`, `${at}.Sequence.id`, id);
      return [{ kind: "sequence", sequence: id === "A" ? 0 : 1, typeId }];
    }
    if (kind !== "SpecialToken") throw badField("Sequence or SpecialToken", at, piece);
    const ids = special.get(id);
    if (ids === undefined) throw badField("a token of special_tokens", `${at}.SpecialToken.id`, id);
    return ids.map((tokenId) => ({ kind: "special", id: tokenId, typeId }));
  });
}

function templateProcessing(object: JsonObject, path: string): PostProcessing {
  const special = specialTokens(object.get("special_tokens") ?? new JsonObject(), `${path}.special_tokens`);
  const single = templatePieces(object.get("single"), `${path}.single`, special);
  const pair = templatePieces(object.get("pair"), `${path}.pair`, special);
  const uses = (template: TemplatePiece[], which: number): number =>
    template.filter((piece) => piece.kind === "sequence" && piece.sequence === which).length;
  if (uses(single, 0) !== 1 || uses(single, 1) !== 0) {
    throw new TokenizerError(`Expected sequence A once, and no B, in ${path}.single`, {
      field: `${path}.single`,
    });
  }
  if (uses(pair, 0) !== 1 || uses(pair, 1) !== 1) {
    throw new TokenizerError(`Expected sequences A and B once each in ${path}.pair`, {
      field: `${path}.pair`,
    });
  }
  return { ...PLAIN, single, pair };
}

function postProcessor(value: Json | undefined, path: string): PostProcessing {
  const object = asObject(value, path);
  const type = typeOf(object, path);
  switch (type) {
    case "BertProcessing":
      return bertProcessing(namedToken(object, "cls", path), namedToken(object, "sep", path));
    case "RobertaProcessing":
      return robertaProcessing(
        namedToken(object, "cls", path),
        namedToken(object, "sep", path),
        field(object, "trim_offsets", path, asBoolean, true),
        field(object, "add_prefix_space", path, asBoolean, true),
      );
    case "TemplateProcessing":
      return templateProcessing(object, path);
    case "ByteLevel":
      return {
        ...PLAIN,
        trimOffsets: field(object, "trim_offsets", path, asBoolean, true),
        addPrefixSpace: field(object, "add_prefix_space", path, asBoolean, true),
      };
    case "Sequence":
      return sequence(object, path);
    default:
      throw unknownComponent("post-processor", type, path);
  }
}

/** One that adds tokens at most, and one that trims at most: what more would mean the reference leaves open. */
function sequence(object: JsonObject, path: string): PostProcessing {
  let result = PLAIN;
  for (const [i, part] of asArray(object.get("processors"), `${path}.processors`).entries()) {
    const next = postProcessor(part, `${path}.processors[${i}]`);
    const adds = next.single !== PLAIN.single;
    if ((adds && result.single !== PLAIN.single) || (next.trimOffsets && result.trimOffsets)) {
      const message = `Post-processors that do the same thing twice are not supported: ${path}.processors[${i}]`;
      throw new UnsupportedError(message, { field: `${path}.processors[${i}]` });
    }
    result = {
      single: adds ? next.single : result.single,
      pair: adds ? next.pair : result.pair,
      trimOffsets: result.trimOffsets || next.trimOffsets,
      addPrefixSpace: next.trimOffsets ? next.addPrefixSpace : result.addPrefixSpace,
    };
  }
  return result;
}

/** The `post_processor` of tokenizer.json. */
export function loadPostProcessor(value: Json | undefined): PostProcessing {
  return value === undefined || value === null ? PLAIN : postProcessor(value, "post_processor");
}
