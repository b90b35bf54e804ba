/** The tokenizer of a converted file gives the ids of the tokenizer of its folder, whatever files that one had. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { convert } from "../../lib/convert/index.js";
import { openModelFile, type ModelFile } from "../../lib/model-file.js";
import { Tokenizer } from "../../lib/tokenizer/index.js";
import { integer, random } from "../support/random.js";
import { writeRandomBert, writeRandomGpt2 } from "../support/random-models.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const folder = temporaryFolder();
const SEED = 4242;

/** Texts of letters, accents, spaces, punctuation, digits, Chinese characters, emoji and special tokens. */
function texts(): string[] {
  const next = random(SEED);
  const pieces = [
    "the ",
    "Cats",
    "dog",
    "é",
    "Ü",
    "中文",
    "👩‍🚀",
    " ",
    "\n",
    "!",
    "x1",
    "ing",
    "[MASK]",
    "<|endoftext|>",
    "_",
    "\u0000",
  ];
  return Array.from({ length: 500 }, () => {
    return Array.from({ length: 1 + integer(next, 12) }, () => pieces[integer(next, pieces.length)]!).join(
      "",
    );
  });
}

async function converted(dir: string): Promise<ModelFile> {
  const out = `${dir}.gguf`;
  await convert(dir, out);
  return openModelFile(out);
}

const makers = { bert: writeRandomBert, gpt2: writeRandomGpt2 };

describe.each(["bert", "gpt2"] as const)("%s", (kind) => {
  test.each(["json", "files", "both"] as const)("from %s", async (tokenizerFormat) => {
    const dir = join(folder, `${kind}-${tokenizerFormat}`);
    await makers[kind](dir, { hidden: 16, heads: 2, layers: 1, tokenizerFormat });
    const original = await Tokenizer.load(dir);
    const file = await Tokenizer.fromGguf((await converted(dir)).metadata);
    for (const text of texts()) {
      expect([...file.encode(text).ids], `seed ${SEED}: ${JSON.stringify(text)}`).toEqual([
        ...original.encode(text).ids,
      ]);
    }
  });

  test("by llama.cpp's keys alone", async () => {
    const dir = join(folder, `${kind}-plain`);
    await makers[kind](dir, { hidden: 16, heads: 2, layers: 1 });
    const original = await Tokenizer.load(dir);
    const { metadata } = await converted(dir);
    const plain = new Map([...metadata].filter(([key]) => !key.includes("huggingface")));
    const file = await Tokenizer.fromGguf(plain);
    for (const text of texts()) {
      expect([...file.encode(text).ids], `seed ${SEED}: ${JSON.stringify(text)}`).toEqual([
        ...original.encode(text).ids,
      ]);
    }
  });
});

describe("without tokenizer.json", () => {
  async function makeFiles(name: string): Promise<string> {
    const dir = join(folder, name);
    await writeRandomBert(dir, { hidden: 16, heads: 2, layers: 1, tokenizerFormat: "files" });
    return dir;
  }

  test("case and accents are kept as tokenizer_config.json says", async () => {
    const dir = await makeFiles("cased");
    writeFileSync(
      join(dir, "tokenizer_config.json"),
      JSON.stringify({ do_lower_case: false, strip_accents: false }),
    );
    const original = await Tokenizer.load(dir);
    const file = await Tokenizer.fromGguf((await converted(dir)).metadata);
    for (const text of texts()) expect([...file.encode(text).ids]).toEqual([...original.encode(text).ids]);
  });

  test.each([
    ["tokenize_chinese_chars", "tokenizer_config.json", { tokenize_chinese_chars: false }],
    ["added_tokens.json", "added_tokens.json", { "<new>": 399 }],
    [
      "added_tokens_decoder",
      "tokenizer_config.json",
      { added_tokens_decoder: { 4: { content: "[MASK]", special: true, lstrip: true } } },
    ],
  ])("what llama.cpp's keys cannot say is refused: %s", async (field, file, contents) => {
    const dir = await makeFiles(`refused-${field}`);
    writeFileSync(join(dir, file), JSON.stringify(contents));
    await expect(converted(dir)).rejects.toMatchObject({ code: "UNSUPPORTED", details: { field } });
  });

  test("merges.txt must be there, and be of two parts", async () => {
    const dir = join(folder, "no-merges");
    await writeRandomGpt2(dir, { hidden: 16, heads: 2, layers: 1, tokenizerFormat: "files" });
    writeFileSync(join(dir, "merges.txt"), "#version: 0.2\na b\nabc\n");
    await expect(converted(dir)).rejects.toMatchObject({
      code: "TOKENIZER_INVALID",
      details: { field: "merges.txt" },
    });
    rmSync(join(dir, "merges.txt"));
    await expect(converted(dir)).rejects.toMatchObject({
      code: "MODEL_FILE_NOT_FOUND",
      details: { field: "merges.txt" },
    });
  });
});
