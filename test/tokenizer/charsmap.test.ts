/** SentencePiece's compiled rules: applied as the Hugging Face tokenizers apply them, and safe to read from any file. */
import { describe, expect, it } from "vitest";
import { GgmlTransformersError, TokenizerError } from "../../lib/errors.js";
import { Charsmap } from "../../lib/tokenizer/charsmap.js";
import { Tokenizer } from "../../lib/tokenizer/index.js";
import { runNow } from "../../lib/tokenizer/time-slices.js";
import { compileCharsmap } from "./charsmap.mjs";
import { fixture, randomNumbers, SENTENCES } from "./corpus.js";
import { bothFrom, compareTexts } from "./reference.js";

const SEED = Number(process.env["TOKENIZER_SEED"] ?? 815);
const random = randomNumbers(SEED);
const below = (limit: number): number => Math.floor(random() * limit);
const pick = <T>(items: readonly T[]): T => items[below(items.length)]!;
const some = (limit: number, make: () => string): string =>
  Array.from({ length: below(limit + 1) }, make).join("");

/** What clusters are made of: marks, joiners, Hangul, emoji, conjuncts, prepended marks, line ends, controls. */
// prettier-ignore
const PARTS = [
  "a", "b", "x", "\u00e9", "\u0e01", "\u0301", "\u0323", "\u0308", "\u0345", "\u0903", "\u093e", "\u0e33",
  "\u{1d165}", "\u{1f3fd}", "\ufe0f", "\u200d", "\u200c", "\u0600", "\u06dd", "\u0d4e", "\u{110bd}", "\u1100",
  "\ua960", "\u1160", "\ud7b0", "\u11a8", "\ud7cb", "\uac00", "\uac01", "\u{16d63}", "\u{16d67}", "\u00a9",
  "\u00ae", "\u203c", "\u2764", "\u{1f468}", "\u{1f469}", "\u{1f1e6}", "\u{1f1e9}", "\u0915", "\u0916",
  "\u094d", "\u093c", "\u0c15", "\u0c4d", "\u0d15", "\u0d4d", "\u09ae", "\u09cd", "\r", "\n", "\t", "\0",
  "\x7f", "\xad", "\u2028", "\u200b", "\ufeff", "\u{e0001}", "\u{e0061}", "\u{e01ef}", "\ud800", "\udc00",
  "\ufffd", " ", "\u0483", "\u0488", "\u1b44", "\u1bf2", "\ua9c0", "\u{10a3f}", "\u{11f42}", "\u{10ffff}",
];

function tokenizerWith(rules: Iterable<readonly [string | Uint8Array, string]>): object {
  const characters = new Set(Array.from(rules, ([, text]) => text).join(""));
  return {
    version: "1.0",
    added_tokens: [],
    normalizer: { type: "Precompiled", precompiled_charsmap: compileCharsmap(rules).toString("base64") },
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    model: {
      type: "Unigram",
      unk_id: 0,
      vocab: [["<unk>", 0], ...[...characters].map((character, i) => [character, -1 - i / 7])],
    },
  };
}

const EVERY_BYTE = Array.from({ length: 255 }, (_, i) => [Uint8Array.of(i + 1), "y"] as const);

describe("the rules", () => {
  it("apply to the clusters of the reference", async () => {
    console.log(`seed ${SEED}`);
    // Each cluster, or each code point of one that is long, becomes one "y".
    const [tokenizer, reference] = await bothFrom(tokenizerWith(EVERY_BYTE));
    const texts = Array.from({ length: 40_000 }, () => some(9, () => pick(PARTS)));
    await compareTexts(tokenizer, reference, texts);
  });

  it("apply to every code point, between others and with marks", async () => {
    const [tokenizer, reference] = await bothFrom(tokenizerWith(EVERY_BYTE));
    const texts: string[] = [];
    for (let c = 0; c <= 0x10ffff; c += c < 0x20000 ? 16 : 509) {
      const run = Array.from({ length: 16 }, (_, k) => String.fromCodePoint(Math.min(c + k, 0x10ffff)));
      texts.push(run.map((s) => `a${s}\u0301\u0301b${s}c`).join(""), run.join("\u094d\u200d"));
    }
    await compareTexts(tokenizer, reference, texts);
  });

  it("apply in maps of all kinds", async () => {
    for (let n = 0; n < 60; n++) {
      const rules = new Map<string, string>();
      for (let k = 1 + below(40); k > 0; k--) {
        const key = some(3, () =>
          pick(PARTS.filter((part) => part !== "\0" && !/[\ud800-\udfff]/.test(part) && part !== "\ufffd")),
        );
        if (key !== "")
          rules.set(
            key,
            some(3, () => pick(["a", "\u00e9", "\u{1d165}", " ", "\u4e00"])),
          );
      }
      if (rules.size === 0) continue;
      const [tokenizer, reference] = await bothFrom(tokenizerWith(rules));
      const texts = Array.from({ length: 300 }, () =>
        some(10, () => (below(2) === 0 ? pick([...rules.keys()]) : pick(PARTS))),
      );
      await compareTexts(tokenizer, reference, texts);
    }
  });

  it("may be few", async () => {
    const [tokenizer, reference] = await bothFrom(tokenizerWith([["\u4e00", "a"]]));
    await compareTexts(tokenizer, reference, ["", "\u4e00", "a\u4e00\u4e01", "\u4e00\u0301"]);
  });
});

describe("maps that mean harm", () => {
  const parse = (bytes: Uint8Array): Charsmap => runNow(Charsmap.parse(Buffer.from(bytes), "map"));
  const rules: [string, string][] = [
    ["a", "b"],
    ["ab", "cd"],
    ["\u00e9", ""],
    ["\u4e00", "\u4e01"],
  ];
  const good = compileCharsmap(rules);
  /** A map of these units and replacements. */
  const mapOf = (units: Record<number, number>, texts = "x\0", size = 512): Buffer => {
    const bytes = Buffer.alloc(4 + size * 4 + Buffer.byteLength(texts));
    bytes.writeUInt32LE(size * 4);
    for (const [at, unit] of Object.entries(units)) bytes.writeUInt32LE(unit >>> 0, 4 + Number(at) * 4);
    bytes.write(texts, 4 + size * 4);
    return bytes;
  };
  const offset = (n: number): number => n << 10;
  const VALUE = 2 ** 31;

  it("are fine before they are made harmful", () => {
    const map = parse(good);
    const find = (key: string): string | undefined => {
      const place = map.find(Buffer.from(key), Buffer.byteLength(key));
      return place < 0 ? undefined : map.replacementAt(place);
    };
    expect(["a", "ab", "\u00e9", "\u4e00", "b", "\u4e02", ""].map(find)).toEqual([
      "b",
      "b",
      "",
      "\u4e01",
      undefined,
      undefined,
      undefined,
    ]);
    // Ways that come together again, as Darts-clone makes them of keys with equal ends.
    const shared = mapOf(
      {
        0: 0,
        97: 97 | offset(97 ^ 256),
        98: 98 | offset(98 ^ 256),
        355: 0x163 | offset(355 ^ 512),
        512: VALUE + 0,
      },
      "x\0",
      768,
    );
    expect(["ac", "bc", "cc"].map((key) => parse(shared).find(Buffer.from(key), 2))).toEqual([0, 0, -1]);
  });

  it.each<[string, Buffer]>([
    ["nothing", Buffer.alloc(0)],
    ["no size", Buffer.alloc(3)],
    ["an empty trie", Buffer.alloc(4)],
    ["a trie larger than the file", Buffer.from([255, 255, 255, 255, 0, 0, 0, 0])],
    ["replacements that are not UTF-8", Buffer.concat([good, Buffer.of(0xff)])],
    ["a root that points outside", mapOf({ 0: offset(512) })],
    ["a trie too short for its first byte", mapOf({ 0: 0 }, "x\0", 255)],
    ["a root with an offset beyond all bounds", mapOf({ 0: 0xfffffe00 })],
    // From the root's block by "a" to unit 97, and from there back to the root's block.
    ["a loop of one", mapOf({ 0: 0, 97: 97 | offset(97) })],
    // 97 leads to block 256, 256 + 98 back to block 0.
    ["a loop of two", mapOf({ 0: 0, 97: 97 | offset(97 ^ 256), 354: 98 | offset(354) })],
    ["a child that points outside", mapOf({ 0: 0, 97: 97 | offset(97 ^ 1024) })],
    ["a value beyond the replacements", mapOf({ 0: 0, 97: 0x161 | offset(97 ^ 256), 256: VALUE + 3 })],
    ["a value within a character", mapOf({ 0: 0, 97: 0x161 | offset(97 ^ 256), 256: VALUE + 1 }, "\u00e9\0")],
  ])("%s", (_, bytes) => {
    expect(() => parse(bytes)).toThrow(TokenizerError);
  });

  it.each([
    ["no map", undefined],
    ["null", null],
    ["a number", 5],
    ["nothing", ""],
    ["characters that are not base64", "AAA*"],
    ["base64 cut off", "AAAAA"],
    ["base64 with spaces", "AAAA AAAA"],
  ])("%s", async (_, precompiled_charsmap) => {
    const definition = { ...tokenizerWith(rules), normalizer: { type: "Precompiled", precompiled_charsmap } };
    const loading = Tokenizer.fromJson(JSON.stringify(definition));
    await expect(loading).rejects.toThrow(TokenizerError);
    await expect(loading).rejects.toThrow(/precompiled_charsmap/);
  });

  it("changed anywhere, it is a map or a typed error", async () => {
    const json = JSON.parse(fixture("unigram.json")) as { normalizer: { precompiled_charsmap: string } };
    const real = Buffer.from(json.normalizer.precompiled_charsmap, "base64");
    let refused = 0;
    for (const [map, rounds] of [
      [good, 3000],
      [real, 20],
    ] as const) {
      for (let n = 0; n < rounds; n++) {
        let bytes = Buffer.from(map);
        for (let k = 1 + below(8); k > 0; k--)
          bytes[below(below(2) === 0 ? 4100 : bytes.length) % bytes.length] = below(256);
        if (below(8) === 0) bytes = bytes.subarray(0, below(bytes.length));
        try {
          const parsed = parse(bytes);
          for (const sentence of SENTENCES) {
            const key = Buffer.from(sentence);
            for (let i = 0; i < key.length; i += 3) {
              const place = parsed.find(key.subarray(i), key.length - i);
              if (place >= 0) expect(parsed.replacementAt(place)).not.toContain("\ufffd");
            }
          }
        } catch (error) {
          expect(error).toBeInstanceOf(GgmlTransformersError);
          refused++;
        }
      }
    }
    expect(refused).toBeGreaterThan(300);
  });
});
