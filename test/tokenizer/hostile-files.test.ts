/** tokenizer.json files that are wrong, or mean harm: typed errors that name the field, or a tokenizer, never more. */
import { describe, expect, it } from "vitest";
import { GgmlTransformersError, TokenizerError, UnsupportedError } from "../../lib/errors.js";
import { Tokenizer } from "../../lib/tokenizer/index.js";

describe("tokenizer.json that means harm", () => {
  const small = {
    added_tokens: [{ id: 0, content: "[UNK]", special: true, normalized: false }],
    normalizer: { type: "BertNormalizer", clean_text: true, lowercase: true },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: null,
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: { type: "WordPiece", unk_token: "[UNK]", vocab: { "[UNK]": 0, a: 1, "##b": 2 } },
  };
  const bpe = (model: object): object => ({
    ...small,
    model: { type: "BPE", vocab: { "[UNK]": 0, a: 1, b: 2, ab: 3 }, merges: [["a", "b"]], ...model },
  });

  it("is fine before it is made harmful", async () => {
    expect((await Tokenizer.fromJson(JSON.stringify(small))).encode("ab A").tokens).toEqual([
      "a",
      "##b",
      "a",
    ]);
    expect((await Tokenizer.fromJson(JSON.stringify(bpe({})))).encode("ab a").tokens).toEqual(["ab", "a"]);
  });

  const component = { type: "Nonsense" };
  const template = (single: unknown, pair: unknown = [], special_tokens: unknown = {}): object => ({
    ...small,
    post_processor: { type: "TemplateProcessing", single, pair, special_tokens },
  });
  const a = { Sequence: { id: "A", type_id: 0 } };
  const b = { Sequence: { id: "B", type_id: 0 } };
  it.each<[string, unknown, RegExp]>([
    ["an array", [], /tokenizer\.json/],
    ["no model", { ...small, model: undefined }, /model/],
    ["a model that is a string", { ...small, model: "WordPiece" }, /model.*"WordPiece"/],
    ["an unknown model", { ...small, model: component }, /model\.type.*Nonsense/],
    ["an unknown normalizer", { ...small, normalizer: component }, /normalizer\.type.*Nonsense/],
    ["an unknown pre-tokenizer", { ...small, pre_tokenizer: component }, /pre_tokenizer\.type.*Nonsense/],
    ["an unknown post-processor", { ...small, post_processor: component }, /post_processor\.type.*Nonsense/],
    ["an unknown decoder", { ...small, decoder: component }, /decoder\.type.*Nonsense/],
    [
      "an unknown one deep inside",
      { ...small, normalizer: { type: "Sequence", normalizers: [{ type: "NFC" }, component] } },
      /normalizers\[1\]\.type/,
    ],
    ["a normalizer without a type", { ...small, normalizer: {} }, /normalizer\.type/],
    [
      "a flag of the wrong type",
      { ...small, normalizer: { type: "BertNormalizer", lowercase: "yes" } },
      /normalizer\.lowercase.*"yes"/,
    ],
    [
      "a replacement without a pattern",
      { ...small, normalizer: { type: "Replace", content: "" } },
      /normalizer\.pattern/,
    ],
    [
      "a broken regular expression",
      { ...small, normalizer: { type: "Replace", pattern: { Regex: "(" }, content: "" } },
      /pattern\.Regex/,
    ],
    [
      "a regular expression of another kind",
      { ...small, normalizer: { type: "Replace", pattern: { Regex: "a++" }, content: "" } },
      /possessive/,
    ],
    [
      "a split of no known behavior",
      { ...small, pre_tokenizer: { type: "Split", pattern: { String: " " }, behavior: "Lost" } },
      /behavior/,
    ],
    [
      "a delimiter of two characters",
      { ...small, pre_tokenizer: { type: "CharDelimiterSplit", delimiter: "ab" } },
      /delimiter/,
    ],
    [
      "bytes before other pre-tokenizers",
      {
        ...small,
        pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "ByteLevel" }, { type: "Whitespace" }] },
      },
      /pretokenizers\[1\]/,
    ],
    ["no vocabulary", { ...small, model: { type: "WordPiece" } }, /model\.vocab/],
    ["a vocabulary that is a list", { ...small, model: { type: "WordPiece", vocab: ["a"] } }, /model\.vocab/],
    [
      "an id that is a string",
      { ...small, model: { type: "WordPiece", vocab: { a: "1" } } },
      /model\.vocab\["a"\]/,
    ],
    ["a negative id", { ...small, model: { type: "WordPiece", vocab: { a: -1 } } }, /model\.vocab.*-1/],
    ["an id that is no integer", { ...small, model: { type: "WordPiece", vocab: { a: 0.5 } } }, /0\.5/],
    ["an id beyond all bounds", { ...small, model: { type: "WordPiece", vocab: { a: 4e9 } } }, /4000000000/],
    [
      "one id for two tokens",
      { ...small, model: { type: "WordPiece", vocab: { a: 1, b: 1 } } },
      /id 1 twice/,
    ],
    [
      "words of any length",
      { ...small, model: { ...small.model, max_input_chars_per_word: 1e9 } },
      /max_input_chars_per_word/,
    ],
    ["merges that are a string", bpe({ merges: "a b" }), /model\.merges/],
    ["a merge of three", bpe({ merges: ["a b ab"] }), /model\.merges\[0\]/],
    ["a merge of numbers", bpe({ merges: [[1, 2]] }), /model\.merges\[0\]/],
    ["a merge of an unknown token", bpe({ merges: [["a", "z"]] }), /merge 0.*"z"/],
    ["a merge to an unknown token", bpe({ merges: [["b", "a"]] }), /merge 0.*"ba"/],
    ["bytes that are missing", { ...bpe({}), pre_tokenizer: { type: "ByteLevel" } }, /byte 0/],
    ["added tokens that are no list", { ...small, added_tokens: {} }, /added_tokens/],
    ["an added token without an id", { ...small, added_tokens: [{ content: "x" }] }, /added_tokens\[0\]\.id/],
    ["an added token without content", { ...small, added_tokens: [{ id: 9 }] }, /added_tokens\[0\]\.content/],
    [
      "two added tokens with one id",
      {
        ...small,
        added_tokens: [
          { id: 3, content: "x" },
          { id: 3, content: "y" },
        ],
      },
      /id 3 twice/,
    ],
    [
      "a special token that is not there",
      template([a, { SpecialToken: { id: "[X]", type_id: 0 } }], [a, b]),
      /post_processor\.single\[1\]/,
    ],
    [
      "a special id that is not there",
      template([a, { SpecialToken: { id: "x", type_id: 0 } }], [a, b], {
        x: { id: "x", ids: [99], tokens: ["x"] },
      }),
      /99/,
    ],
    ["a template without its text", template([], [a, b]), /post_processor\.single/],
    ["a template without its second text", template([a], [a, a]), /post_processor\.pair/],
    [
      "a template of other pieces",
      template([{ Nothing: { id: "A", type_id: 0 } }], [a, b]),
      /post_processor\.single\[0\]/,
    ],
  ])("%s", async (_, definition, message) => {
    const loading = Tokenizer.fromJson(JSON.stringify(definition));
    await expect(loading).rejects.toThrow(TokenizerError);
    await expect(loading).rejects.toThrow(message);
  });

  it.each([
    ["WordLevel", { ...small, model: { type: "WordLevel", vocab: { a: 0 }, unk_token: "a" } }],
    ["WordLevel without a type", { ...small, model: { vocab: { a: 0 }, unk_token: "a" } }],
    [
      "Unigram over bytes",
      { ...small, pre_tokenizer: { type: "ByteLevel" }, model: { type: "Unigram", vocab: [["a", 0]] } },
    ],
    ["BPE with dropout", bpe({ dropout: 0.1 })],
  ])("%s is not supported", async (_, definition) => {
    await expect(Tokenizer.fromJson(JSON.stringify(definition))).rejects.toThrow(UnsupportedError);
  });

  it("a vocabulary without the unknown token is an error where it is needed", async () => {
    const tokenizer = await Tokenizer.fromJson(
      JSON.stringify({ ...small, added_tokens: [], model: { type: "WordPiece", vocab: { a: 0 } } }),
    );
    expect(Array.from(tokenizer.encode("a").ids)).toEqual([0]);
    expect(() => tokenizer.encode("b")).toThrow(TokenizerError);
  });

  it("keys that mean something to JavaScript are tokens like any other", async () => {
    const vocab = `{"[UNK]": 0, "__proto__": 1, "constructor": 2, "toString": 3, "1": 4, "0": 5}`;
    const json = JSON.stringify(small).replace(/"vocab":\{[^}]*\}/, `"vocab": ${vocab}`);
    const plain = await Tokenizer.fromJson(
      json
        .replace('"BertPreTokenizer"', '"WhitespaceSplit"')
        .replace('"lowercase":true', '"lowercase":false'),
    );
    expect(Array.from(plain.encode("__proto__ constructor toString 1 0 hasOwnProperty").ids)).toEqual([
      1, 2, 3, 4, 5, 0,
    ]);
  });

  it("cut off anywhere, or with bytes changed, it is a tokenizer or a typed error", async () => {
    const json = JSON.stringify(small);
    for (let length = 0; length < json.length; length += 3) {
      await expect(Tokenizer.fromJson(json.slice(0, length))).rejects.toThrow(TokenizerError);
    }
    for (let at = 0; at < json.length; at++) {
      for (const character of ['"', "{", "]", "9", "\\", "\0"]) {
        const changed = json.slice(0, at) + character + json.slice(at + 1);
        await Tokenizer.fromJson(changed).catch((error: unknown) =>
          expect(error).toBeInstanceOf(GgmlTransformersError),
        );
      }
    }
  });
});
