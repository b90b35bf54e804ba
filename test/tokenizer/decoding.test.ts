/** Decoding, in one piece and as a stream, against the Hugging Face tokenizers. */
import { describe, expect, it } from "vitest";
import type { Tokenizer } from "../../lib/tokenizer/index.js";
import { englishText, fixture, randomNumbers, SENTENCES, TextMaker } from "./corpus.js";
import { bothFrom, type Reference } from "./reference.js";

const SEED = 99;
const bert = JSON.parse(fixture("bert.json"));
const gpt2 = JSON.parse(fixture("gpt2.json"));

async function compareDecoding(tokenizer: Tokenizer, reference: Reference, size: number): Promise<void> {
  const random = randomNumbers(SEED);
  const maker = new TextMaker(SEED, englishText(100_000), Object.keys(bert.model.vocab));
  for (let n = 0; n < 600; n++) {
    const ids =
      n % 2 === 0
        ? Array.from(tokenizer.encode(maker.next()).ids)
        : Array.from({ length: 1 + Math.floor(random() * 20) }, () => Math.floor(random() * size));
    for (const skipSpecialTokens of [true, false]) {
      expect(tokenizer.decode(ids, { skipSpecialTokens }), String(ids)).toBe(
        await reference.decode(ids, skipSpecialTokens),
      );
    }
  }
}

describe("decode", () => {
  it.each([
    ["BERT", bert],
    ["GPT-2", gpt2],
    ["WordPiece without clean-up", { ...bert, decoder: { type: "WordPiece", prefix: "##", cleanup: false } }],
    ["no decoder", { ...bert, decoder: null }],
    ["BPEDecoder", { ...gpt2, decoder: { type: "BPEDecoder", suffix: "e" } }],
    ["Fuse", { ...gpt2, decoder: { type: "Fuse" } }],
    [
      "a sequence",
      {
        ...gpt2,
        decoder: {
          type: "Sequence",
          decoders: [
            { type: "Replace", pattern: { String: "\u0120" }, content: " " },
            { type: "Strip", content: "t", start: 1, stop: 0 },
            { type: "Fuse" },
            { type: "Strip", content: " ", start: 1, stop: 0 },
          ],
        },
      },
    ],
    [
      "ByteFallback",
      { ...bert, decoder: { type: "Sequence", decoders: [{ type: "ByteFallback" }, { type: "Fuse" }] } },
    ],
  ])("%s", async (_, definition) => {
    const [tokenizer, reference] = await bothFrom(definition);
    await compareDecoding(tokenizer, reference, tokenizer.vocabSize);
  });

  it("byte fallback", async () => {
    const bytes = Array.from(
      { length: 256 },
      (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, "0")}>`,
    );
    const vocab = Object.fromEntries(["<unk>", "a", "b", ...bytes].map((token, id) => [token, id]));
    const [tokenizer, reference] = await bothFrom({
      ...gpt2,
      added_tokens: [],
      pre_tokenizer: null,
      post_processor: null,
      decoder: { type: "ByteFallback" },
      model: { type: "BPE", unk_token: "<unk>", byte_fallback: true, vocab, merges: [] },
    });
    await compareDecoding(tokenizer, reference, tokenizer.vocabSize);
    expect(tokenizer.decode(tokenizer.encode("a\u00e9b\u65e5").ids)).toBe("a\u00e9b\u65e5");
  });

  it("gives back what byte-level tokens were made from", async () => {
    const [tokenizer] = await bothFrom(gpt2);
    for (const sentence of SENTENCES) expect(tokenizer.decode(tokenizer.encode(sentence).ids)).toBe(sentence);
  });

  it("leaves ids out that no token has, and refuses what is no id", async () => {
    const [tokenizer] = await bothFrom(bert);
    expect(tokenizer.decode([7592, 999_999, 2088])).toBe("hello world");
    expect(tokenizer.decode(Int32Array.of(7592))).toBe("hello");
    expect(() => tokenizer.decode([-1])).toThrow(/ids\[0\]/);
    expect(() => tokenizer.decode([1.5])).toThrow(/ids\[0\]/);
    expect(() => tokenizer.decode("7592" as unknown as number[])).toThrow(/ids/);
  });

  it("cleans up when asked to", async () => {
    const [tokenizer] = await bothFrom({
      ...bert,
      decoder: { type: "WordPiece", prefix: "##", cleanup: false },
    });
    const { ids } = tokenizer.encode("I do not know, isn't it?", { addSpecialTokens: false });
    expect(tokenizer.decode(ids)).toBe("i do not know , isn ' t it ?");
    expect(tokenizer.decode(ids, { cleanUpSpaces: true })).toBe("i don't know, isn't it?");
  });

  it("names tokens and ids", async () => {
    const [tokenizer, reference] = await bothFrom(bert);
    expect(tokenizer.vocabSize).toBe(reference.getVocabSize(true));
    for (const token of ["[CLS]", "the", "##ing", "nosuchtoken", ""]) {
      expect(tokenizer.tokenToId(token)).toBe(reference.tokenToId(token) ?? undefined);
    }
    for (const id of [0, 101, 1996, 30521, 30522, 1e9]) {
      expect(tokenizer.idToToken(id)).toBe(reference.idToToken(id) ?? undefined);
    }
    expect(tokenizer.specialIds).toEqual({
      cls: 101,
      sep: 102,
      mask: 103,
      pad: 0,
      unk: 100,
      bos: undefined,
      eos: undefined,
    });
  });
});

describe("streams", () => {
  it.each([
    ["GPT-2", gpt2],
    ["BERT", bert],
  ])("of %s add up to what decode gives", async (_, definition) => {
    const [tokenizer] = await bothFrom(definition);
    const random = randomNumbers(SEED);
    const random_ids = (): number[] =>
      Array.from({ length: 30 }, () => Math.floor(random() * tokenizer.vocabSize));
    const all = [
      ...SENTENCES.map((s) => Array.from(tokenizer.encode(s).ids)),
      ...Array.from({ length: 200 }, random_ids),
    ];
    for (const ids of all) {
      const stream = tokenizer.createStream();
      const parts = ids.map((id) => stream.push(id));
      expect(parts.join("") + stream.end()).toBe(tokenizer.decode(ids));
    }
  });

  it("of other decoders add up as well, and hold back what is not complete", async () => {
    const bytes = Array.from(
      { length: 256 },
      (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, "0")}>`,
    );
    const vocab = Object.fromEntries(["<unk>", "a", "b", ...bytes].map((token, id) => [token, id]));
    const [tokenizer] = await bothFrom({
      ...gpt2,
      added_tokens: [],
      pre_tokenizer: null,
      post_processor: null,
      decoder: { type: "ByteFallback" },
      model: { type: "BPE", unk_token: "<unk>", byte_fallback: true, vocab, merges: [] },
    });
    const { ids } = tokenizer.encode("a\u65e5b\u{1f600}");
    const stream = tokenizer.createStream();
    expect(Array.from(ids, (id) => stream.push(id))).toEqual([
      "a",
      "",
      "",
      "\u65e5",
      "b",
      "",
      "",
      "",
      "\u{1f600}",
    ]);
    expect(stream.holds).toBe(false);
    expect(stream.push(ids[0]!) + stream.push(ids[1]!)).toBe("a");
    expect(stream.holds).toBe(true);
    expect(stream.end()).toBe("\ufffd");
    expect(stream.holds).toBe(false);
  });

  it("never give half a character", async () => {
    const [tokenizer] = await bothFrom(gpt2);
    for (const sentence of SENTENCES.filter((s) => !s.includes("\ufffd"))) {
      const stream = tokenizer.createStream();
      for (const id of tokenizer.encode(sentence).ids) expect(stream.push(id)).not.toContain("\ufffd");
      expect(stream.end()).toBe("");
    }
  });

  it("end with U+FFFD when a character was never completed", async () => {
    const [tokenizer] = await bothFrom(gpt2);
    const { ids } = tokenizer.encode("\u65e5");
    const stream = tokenizer.createStream();
    expect(stream.push(ids[0]!)).toBe("");
    expect(stream.end()).toBe("\ufffd");
    expect(stream.push(tokenizer.encode("a").ids[0]!)).toBe("a");
  });

  it("leave special tokens out when asked to", async () => {
    const [tokenizer] = await bothFrom(gpt2);
    const { ids } = tokenizer.encode("one<|endoftext|> two");
    const text = (skipSpecialTokens: boolean): string => {
      const stream = tokenizer.createStream({ skipSpecialTokens });
      return Array.from(ids, (id) => stream.push(id)).join("") + stream.end();
    };
    expect(text(true)).toBe("one two");
    expect(text(false)).toBe("one<|endoftext|> two");
  });
});
