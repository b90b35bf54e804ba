/** Checkpoints with a Unigram tokenizer, as XLM-R, CamemBERT and ALBERT come. */
import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Tokenizer as Reference } from "@anush008/tokenizers";
import { beforeAll, describe, expect, it } from "vitest";
import { convert } from "../../lib/convert/index.js";
import { readGguf } from "../../lib/gguf/reader.js";
import { Encoder, Tokenizer } from "../../lib/index.js";
import { englishText, SENTENCES, TextMaker } from "../tokenizer/corpus.js";
import { parseGguf } from "../support/gguf-bytes.js";
import { writeRandomEncoder, type Family } from "../support/random-encoders.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const folder = temporaryFolder();
const SEED = 5_120;
const FIXTURE = join(__dirname, "../fixtures/tokenizers/unigram.json");
const TEXTS = [
  "the old man and the sea",
  "Ｆｕｌｌ width ﬁsh",
  "naïve  café…",
  "\u3000日本 \u0e01\u0e33",
  "x".repeat(30),
];

interface Fixture {
  model: { vocab: [string, number][]; unk_id: number };
  normalizer: { precompiled_charsmap: string };
}

async function write(family: Family, architecture: string): Promise<string> {
  const dir = join(folder, architecture);
  const { model } = JSON.parse(await readFile(FIXTURE, "utf8")) as Fixture;
  const config = { pad_token_id: 1, bos_token_id: 0, eos_token_id: 2 };
  await writeRandomEncoder(dir, { architecture, family, vocabSize: model.vocab.length, config });
  await copyFile(FIXTURE, join(dir, "tokenizer.json"));
  const out = join(folder, `${architecture}.gguf`);
  await convert(dir, out);
  return out;
}

describe.each([
  ["roberta", "XLMRobertaModel"],
  ["roberta", "CamembertModel"],
  ["albert", "AlbertModel"],
] as const)("a Unigram tokenizer beside %s (%s)", (family, architecture) => {
  let file: string;
  beforeAll(async () => {
    file = await write(family, architecture);
  });

  it("gives the reference's ids from the converted file", async () => {
    const reference = await Reference.fromString(await readFile(FIXTURE, "utf8"));
    const tokenizer = await Tokenizer.load(file);
    for (const text of TEXTS) {
      const expected = await reference.encode(text);
      expect([...tokenizer.encode(text).ids], text).toEqual([...expected.getIds()]);
      const pair = await reference.encode(text, TEXTS[0]);
      expect([...tokenizer.encode(text, { pair: TEXTS[0]! }).ids], text).toEqual([...pair.getIds()]);
    }
  });

  it("embeds texts that the normalizer makes equal alike", async () => {
    await using encoder = await Encoder.load(file);
    const [wide, narrow, other] = await encoder.embed(["Ｆｕｌｌ", "Full", "Empty"]);
    expect(wide).toEqual(narrow);
    expect(wide).not.toEqual(other);
  });

  it("gives the same ids from llama.cpp's keys alone", async () => {
    const original = await Tokenizer.load(file);
    const entries = (await readGguf(file)).metadata;
    const metadata = new Map<string, unknown>(Array.from(entries, ([key, { value }]) => [key, value]));
    for (const key of ["tokenizer.huggingface.json", "huggingface.tokenizer_config.json"])
      metadata.delete(key);
    const rebuilt = await Tokenizer.fromGguf(metadata);
    const unigram = JSON.parse(await readFile(FIXTURE, "utf8")) as Fixture;
    const pieces = unigram.model.vocab.map(([piece]) => piece.replaceAll("\u2581", " "));
    const maker = new TextMaker(SEED, englishText(500_000), pieces);
    const texts = [...TEXTS, ...SENTENCES, "", "  two  spaces ", "a <mask> b</s>", "\0\ud800", "<unk>"];
    for (let i = 0; i < 3000; i++) texts.push(maker.next());
    for (const [i, text] of texts.entries()) {
      const [ours, theirs] = [rebuilt.encode(text), original.encode(text)];
      expect([...ours.ids], JSON.stringify(text)).toEqual([...theirs.ids]);
      expect([...ours.offsets], JSON.stringify(text)).toEqual([...theirs.offsets]);
      if (i % 20 > 0) continue;
      const pair = { pair: texts[(i + 7) % texts.length]! };
      expect([...rebuilt.encode(text, pair).ids]).toEqual([...original.encode(text, pair).ids]);
      expect(rebuilt.decode(ours.ids)).toBe(original.decode(ours.ids));
    }
    expect(rebuilt.specialIds).toEqual({ cls: 0, sep: 2, mask: 4004, pad: 1, unk: 3, bos: 0, eos: 2 });
  });

  it("is written under llama.cpp's keys as well", async () => {
    const { model, normalizer } = JSON.parse(await readFile(FIXTURE, "utf8")) as Fixture;
    const { metadata } = parseGguf(await readFile(file));
    const value = (key: string) => metadata.get(key)?.value;
    expect(value("tokenizer.ggml.model")).toBe("t5");
    expect([...(value("tokenizer.ggml.scores") as Iterable<number>)]).toEqual(
      model.vocab.map(([, score]) => Math.fround(score)),
    );
    const map = Buffer.from(value("tokenizer.ggml.precompiled_charsmap") as ArrayLike<number>);
    expect(map.toString("base64")).toBe(normalizer.precompiled_charsmap);
  });
});
