/** Unigram tokenizers read from wrong files, from llama.cpp's keys, and what they do with texts nobody would write. */
import { describe, expect, it } from "vitest";
import { GgmlTransformersError, TokenizerError, UnsupportedError } from "../../lib/errors.js";
import { Tokenizer } from "../../lib/tokenizer/index.js";
import { fixture, randomNumbers, SENTENCES } from "./corpus.js";
import { bothFrom, expectSame } from "./reference.js";

const SEED = 6_006;
const MARK = "\u2581";
const unigram = JSON.parse(fixture("unigram.json")) as {
  normalizer: { precompiled_charsmap: string };
  model: { vocab: [string, number][] };
};

const wellFormed = (text: string) => Buffer.from(text, "utf8").toString("utf8");

describe("texts nobody would write", () => {
  it("have the reference's ids and offsets, alone and in pairs", async () => {
    const [tokenizer, reference] = await bothFrom(unigram);
    const texts = [
      "",
      " ",
      "\0",
      "a\0b",
      "\ud800",
      "a \udfff b",
      "\ud83d\ude00\ud83d",
      MARK,
      `${MARK} ${MARK}a`,
      "</s><mask>  <mask>",
      "x".repeat(5000),
      "\u0301".repeat(600),
      ...SENTENCES.slice(0, 12),
    ];
    for (const [i, text] of texts.entries()) {
      // A lone surrogate cannot be said in Rust: it gets what stands for it in UTF-8.
      const whole = wellFormed(text);
      expectSame(tokenizer.encode(whole), await reference.encode(whole), whole);
      expect([...tokenizer.encode(text).ids]).toEqual([...tokenizer.encode(whole).ids]);
      const pair = wellFormed(texts[(7 * i + 3) % texts.length]!);
      expectSame(tokenizer.encode(whole, { pair }), await reference.encode(whole, pair), [whole, pair]);
    }
  });

  it("of a megabyte without a space have the reference's ids", async () => {
    const [tokenizer, reference] = await bothFrom(unigram);
    const random = randomNumbers(SEED);
    const text = Array.from({ length: 300_000 }, () => "abcdeé日".charAt(Math.floor(random() * 7))).join("");
    const { ids } = await tokenizer.encodeAsync(text);
    const expected = (await reference.encode(text)).getIds();
    expect(ids.length).toBe(expected.length);
    expect(expected.every((id, i) => id === ids[i])).toBe(true);
  });
});

describe("decoding of marks", () => {
  const decoder = (options: object) => ({
    ...unigram,
    decoder: { type: "Metaspace", replacement: MARK, ...options },
  });
  it.each([
    ["with a mark before all", decoder({ prepend_scheme: "always" })],
    ["with a mark before the first", decoder({ prepend_scheme: "first" })],
    ["with no mark before", decoder({ prepend_scheme: "never" })],
    ["as it was written once", decoder({ add_prefix_space: true })],
    ["with another mark", decoder({ replacement: "e", prepend_scheme: "always" })],
  ])("%s is the reference's", async (_, definition) => {
    const [tokenizer, reference] = await bothFrom(definition);
    const random = randomNumbers(SEED);
    for (let n = 0; n < 600; n++) {
      const ids =
        n % 2 === 0
          ? Array.from(tokenizer.encode(SENTENCES[n % SENTENCES.length]!).ids)
          : Array.from({ length: 1 + (n % 20) }, () => Math.floor(random() * tokenizer.vocabSize));
      for (const skipSpecialTokens of [true, false]) {
        const expected = await reference.decode(ids, skipSpecialTokens);
        expect(tokenizer.decode(ids, { skipSpecialTokens }), String(ids)).toBe(expected);
      }
    }
  });
});

describe("tokenizer.json of a Unigram that means harm", () => {
  const withModel = (model: object) => ({ ...unigram, model: { ...unigram.model, ...model } });
  const first = unigram.model.vocab.slice(0, 8);
  it.each<[string, object, RegExp]>([
    ["no vocabulary", withModel({ vocab: undefined }), /model\.vocab/],
    ["an object for a vocabulary", withModel({ vocab: { a: 1 } }), /model\.vocab/],
    ["a token without a score", withModel({ vocab: [...first, ["a"]] }), /model\.vocab\[8\]/],
    ["a score that is a string", withModel({ vocab: [...first, ["a", "1"]] }), /model\.vocab\[8\]/],
    ["a token that is a number", withModel({ vocab: [...first, [1, 1]] }), /model\.vocab\[8\]/],
    ["more than a token and a score", withModel({ vocab: [...first, ["a", 1, 1]] }), /model\.vocab\[8\]/],
    ["a score beyond all sums", withModel({ vocab: [...first, ["a", 1e101]] }), /model\.vocab\[8\]/],
    ["an unknown token that is not there", withModel({ unk_id: 99_999_999 }), /99999999/],
    ["a negative unknown token", withModel({ unk_id: -1 }), /unk_id/],
  ])("%s is refused", async (_, definition, message) => {
    const loading = Tokenizer.fromJson(JSON.stringify(definition));
    await expect(loading).rejects.toThrow(TokenizerError);
    await expect(loading).rejects.toThrow(message);
  });

  it("cut off or with bytes changed is a tokenizer or a typed error", async () => {
    const small = { ...unigram, model: { ...unigram.model, vocab: first } };
    const json = JSON.stringify({ ...small, normalizer: null });
    for (let length = 0; length < json.length; length += 5) {
      await expect(Tokenizer.fromJson(json.slice(0, length))).rejects.toThrow(TokenizerError);
    }
    for (let at = 0; at < json.length; at += 2) {
      for (const character of ['"', "]", "9", "-"]) {
        const changed = json.slice(0, at) + character + json.slice(at + 1);
        const tokenizer = await Tokenizer.fromJson(changed).catch((error: unknown) => error);
        if (!(tokenizer instanceof Tokenizer)) expect(tokenizer).toBeInstanceOf(GgmlTransformersError);
      }
    }
  });
});

describe("llama.cpp's keys of a Unigram", () => {
  const charsmap = Buffer.from(unigram.normalizer.precompiled_charsmap, "base64");
  const types = { unknown: 2, control: 3, byte: 6 };
  const tokens = ["<s>", "</s>", "<unk>", MARK, `${MARK}a`, "b", "ab", `${MARK}ab`];
  const keys = (changes: Record<string, unknown> = {}) => {
    const values: Record<string, unknown> = {
      model: "t5",
      tokens,
      scores: Float32Array.of(0, 0, 0, -2, -3, -3, -4, -4.5),
      token_type: Int32Array.of(types.control, types.control, types.unknown, 1, 1, 1, 1, 1),
      bos_token_id: 0,
      eos_token_id: 1,
      unknown_token_id: 2,
      add_bos_token: true,
      add_eos_token: true,
      ...changes,
    };
    const present = Object.entries(values).filter(([, value]) => value !== undefined);
    return new Map(present.map(([key, value]) => [`tokenizer.ggml.${key}`, value]));
  };
  const idsOf = async (text: string, changes?: Record<string, unknown>) => [
    ...(await Tokenizer.fromGguf(keys(changes))).encode(text).ids,
  ];

  it("say what happens to spaces", async () => {
    expect(await idsOf("ab b")).toEqual([0, 7, 3, 5, 1]);
    // Each space is a mark of its own, unless superfluous ones are removed.
    expect(await idsOf(" ab  b ")).toEqual([0, 7, 3, 3, 5, 3, 1]);
    expect(await idsOf(" ab  b ", { remove_extra_whitespaces: true })).toEqual([0, 7, 3, 5, 1]);
    expect(await idsOf("ab b", { add_space_prefix: false })).toEqual([0, 6, 3, 5, 1]);
  });

  it("say which special tokens there are", async () => {
    expect(await idsOf("b", { add_bos_token: false })).toEqual([3, 5, 1]);
    expect(await idsOf("b", { add_bos_token: false, add_eos_token: undefined })).toEqual([3, 5]);
    // What is unknown, by its id or its type.
    expect(await idsOf("b?", { unknown_token_id: undefined })).toEqual([0, 3, 5, 2, 1]);
    const tokenizer = await Tokenizer.fromGguf(keys({ add_sep_token: true }));
    expect([...tokenizer.encode("b", { pair: "a" }).ids]).toEqual([0, 3, 5, 1, 1, 4, 1]);
    expect(tokenizer.decode([0, 7, 3, 5, 1], { skipSpecialTokens: true })).toBe("ab b");
  });

  it("carry the normalizer map", async () => {
    expect(await idsOf("ａｂ")).toEqual([0, 3, 2, 1]);
    expect(await idsOf("ａｂ", { precompiled_charsmap: new Uint8Array(charsmap) })).toEqual([0, 7, 1]);
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ["no tokens", { tokens: undefined }, /tokens/],
    ["tokens that are numbers", { tokens: [1, 2] }, /tokens/],
    ["no scores", { scores: undefined }, /scores/],
    ["too few scores", { scores: Float32Array.of(0) }, /8 numbers.*scores/],
    [
      "a score that is no number",
      { scores: Float32Array.of(0, 0, 0, Number.NaN, 0, 0, 0, 0) },
      /scores\[3\]/,
    ],
    ["scores that are strings", { scores: Array.from(tokens, () => "0") }, /scores\[0\]/],
    ["too few types", { token_type: Int32Array.of(1) }, /token_type/],
    ["an id beyond the vocabulary", { eos_token_id: 8 }, /eos_token_id/],
    ["a map that is text", { precompiled_charsmap: "AAAA" }, /precompiled_charsmap/],
    [
      "a map cut short",
      { precompiled_charsmap: new Uint8Array(charsmap.subarray(0, 99)) },
      /precompiled_charsmap/,
    ],
    ["a flag that is a number", { add_space_prefix: 1 }, /add_space_prefix/],
  ])("with %s are refused", async (_, changes, message) => {
    const loading = Tokenizer.fromGguf(keys(changes));
    await expect(loading).rejects.toThrow(TokenizerError);
    await expect(loading).rejects.toThrow(message);
  });

  it("with marks after words are not supported", async () => {
    await expect(Tokenizer.fromGguf(keys({ treat_whitespace_as_suffix: true }))).rejects.toThrow(
      UnsupportedError,
    );
  });

  it("with a map of which bytes are changed are a tokenizer or a typed error", async () => {
    const random = randomNumbers(SEED);
    for (let n = 0; n < 60; n++) {
      const changed = new Uint8Array(charsmap);
      for (let i = 0; i < 1 + (n % 5); i++) {
        // The first bytes say how large the trie is.
        const at = n % 3 === 0 ? Math.floor(random() * 8) : Math.floor(random() * changed.length);
        changed[at] = Math.floor(random() * 256);
      }
      const loaded = await Tokenizer.fromGguf(keys({ precompiled_charsmap: changed })).catch(
        (e: unknown) => e,
      );
      if (loaded instanceof Tokenizer) loaded.encode(SENTENCES.join(" "));
      else expect(loaded).toBeInstanceOf(TokenizerError);
    }
  });
});
