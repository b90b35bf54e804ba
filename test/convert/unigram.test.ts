/** Checkpoints with a Unigram tokenizer, as XLM-R, CamemBERT and ALBERT come. */
import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Tokenizer as Reference } from "@anush008/tokenizers";
import { beforeAll, describe, expect, it } from "vitest";
import { convert } from "../../lib/convert/index.js";
import { Encoder, Tokenizer } from "../../lib/index.js";
import { parseGguf } from "../support/gguf-bytes.js";
import { writeRandomEncoder, type Family } from "../support/random-encoders.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const folder = temporaryFolder();
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
