/** Tokenizers from every form they are stored in. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AbortError, ModelFileError, TokenizerError, UnsupportedError } from "../../lib/errors.js";
import { Tokenizer } from "../../lib/tokenizer/index.js";
import { fixture, SENTENCES } from "./corpus.js";

const bertJson = fixture("bert.json");
const gpt2Json = fixture("gpt2.json");
const bert = JSON.parse(bertJson);
const gpt2 = JSON.parse(gpt2Json);

function byId(vocab: Record<string, number>): string[] {
  const tokens: string[] = [];
  for (const [token, id] of Object.entries(vocab)) tokens[id] = token;
  return tokens;
}

const bertTokens = byId(bert.model.vocab);
const gpt2Tokens = byId(gpt2.model.vocab);
const gpt2Merges = (gpt2.model.merges as (string | string[])[]).map((m) =>
  typeof m === "string" ? m : m.join(" "),
);

let folder: string;
let fromBertJson: Tokenizer;
let fromGpt2Json: Tokenizer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tokenizer-"));
  fromBertJson = await Tokenizer.fromJson(bertJson);
  fromGpt2Json = await Tokenizer.fromJson(Buffer.from(gpt2Json));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** A folder with these files. */
async function files(contents: Record<string, string | object>): Promise<string> {
  const path = await mkdtemp(join(folder, "files-"));
  for (const [name, content] of Object.entries(contents)) {
    await writeFile(join(path, name), typeof content === "string" ? content : JSON.stringify(content));
  }
  return path;
}

function expectSameTokens(tokenizer: Tokenizer, other: Tokenizer): void {
  for (const text of [...SENTENCES, "[CLS] a [MASK] b<|endoftext|>"]) {
    const [ours, theirs] = [
      tokenizer.encode(text, { pair: "a pair" }),
      other.encode(text, { pair: "a pair" }),
    ];
    expect(Array.from(ours.ids)).toEqual(Array.from(theirs.ids));
    expect(Array.from(ours.typeIds)).toEqual(Array.from(theirs.typeIds));
    expect(Array.from(ours.offsets)).toEqual(Array.from(theirs.offsets));
    expect(tokenizer.decode(ours.ids)).toBe(other.decode(ours.ids));
  }
}

describe("files", () => {
  it("a tokenizer.json, and a folder with one", async () => {
    const path = await files({
      "tokenizer.json": bertJson,
      "tokenizer_config.json": { model_max_length: 512 },
    });
    expectSameTokens(await Tokenizer.load(path), fromBertJson);
    const tokenizer = await Tokenizer.load(join(path, "tokenizer.json"));
    expectSameTokens(tokenizer, fromBertJson);
    expect(tokenizer.modelMaxLength).toBe(512);
  });

  it("vocab.txt", async () => {
    const path = await files({ "vocab.txt": `${bertTokens.join("\n")}\n` });
    const tokenizer = await Tokenizer.load(path);
    expectSameTokens(tokenizer, fromBertJson);
    expectSameTokens(await Tokenizer.load(join(path, "vocab.txt")), fromBertJson);
    expect(tokenizer.specialIds).toMatchObject({ cls: 101, sep: 102, mask: 103, pad: 0, unk: 100 });
    expect(tokenizer.modelMaxLength).toBeUndefined();
  });

  it("vocab.txt with Windows line ends", async () => {
    expectSameTokens(
      await Tokenizer.load(await files({ "vocab.txt": bertTokens.join("\r\n") })),
      fromBertJson,
    );
  });

  it.each([
    [{ do_lower_case: false }, { lowercase: false, strip_accents: null }],
    [
      { do_lower_case: false, strip_accents: true },
      { lowercase: false, strip_accents: true },
    ],
    [{ do_lower_case: true, strip_accents: false }, { strip_accents: false }],
    [{ tokenize_chinese_chars: false }, { handle_chinese_chars: false }],
  ])("vocab.txt with %o", async (config, normalizer) => {
    const path = await files({ "vocab.txt": bertTokens.join("\n"), "tokenizer_config.json": config });
    const definition = { ...bert, normalizer: { ...bert.normalizer, ...normalizer } };
    expectSameTokens(await Tokenizer.load(path), await Tokenizer.fromJson(JSON.stringify(definition)));
  });

  it("vocab.txt with special tokens of its own and tokens added beside it", async () => {
    const path = await files({
      "vocab.txt": ["<pad>", "<unk>", "<s>", "</s>", "hello", "##s", "Hello"].join("\n"),
      "tokenizer_config.json": {
        do_lower_case: false,
        cls_token: { content: "<s>", lstrip: false },
        sep_token: "</s>",
        unk_token: "<unk>",
        pad_token: "<pad>",
        mask_token: null,
        added_tokens_decoder: { 7: { content: "new word", special: false, lstrip: true } },
      },
      "added_tokens.json": { other: 8 },
    });
    const tokenizer = await Tokenizer.load(path);
    expect(tokenizer.encode("Hellos there, new word other<s>").tokens).toEqual(
      ["<s>", "Hello", "##s", "<unk>", "<unk>", "new word", "other", "<s>", "</s>"], // prettier-ignore
    );
    expect(tokenizer.vocabSize).toBe(9);
    expect(tokenizer.specialIds).toMatchObject({ cls: 2, sep: 3, unk: 1, pad: 0, mask: undefined });
  });

  it("vocab.json and merges.txt", async () => {
    const path = await files({
      "vocab.json": gpt2.model.vocab,
      "merges.txt": `#version: 0.2\n${gpt2Merges.join("\n")}\n`,
      "tokenizer_config.json": { tokenizer_class: "GPT2Tokenizer" },
    });
    const tokenizer = await Tokenizer.load(path);
    expectSameTokens(tokenizer, fromGpt2Json);
    expect(tokenizer.specialIds).toMatchObject({
      bos: 8191,
      eos: 8191,
      unk: 8191,
      cls: undefined,
      pad: undefined,
    });
  });

  it("vocab.json and merges.txt of RoBERTa", async () => {
    const vocab: Record<string, number> = { ...gpt2.model.vocab };
    for (const token of ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]) vocab[token] = Object.keys(vocab).length;
    const merges = `#version: 0.2\n${gpt2Merges.join("\n")}`;
    const tokenizer = await Tokenizer.load(await files({ "vocab.json": vocab, "merges.txt": merges }));
    const encoding = tokenizer.encode("a <mask> here", { pair: "b" });
    expect(encoding.tokens).toEqual(["<s>", "a", "<mask>", "\u0120here", "</s>", "</s>", "b", "</s>"]);
    expect(Array.from(encoding.typeIds)).toEqual(Array.from({ length: 8 }, () => 0));
    expect(Array.from(encoding.offsets.slice(2, 8))).toEqual([0, 1, 2, 8, 9, 13]);
    expect(tokenizer.specialIds).toMatchObject({
      mask: vocab["<mask>"],
      pad: vocab["<pad>"],
      cls: vocab["<s>"],
    });
  });

  it("an embedded model by name, and a GGUF file by path", async () => {
    expectSameTokens(await Tokenizer.load("mini-bert"), fromBertJson);
    expectSameTokens(await Tokenizer.load(join("models", "mini-gpt2.gguf")), fromGpt2Json);
  });

  it("nothing there", async () => {
    await expect(Tokenizer.load(join(folder, "absent"))).rejects.toMatchObject({
      code: "MODEL_FILE_NOT_FOUND",
    });
    const empty = await files({ "vocab.json": "{}" });
    await expect(Tokenizer.load(empty)).rejects.toThrow(ModelFileError);
    await expect(Tokenizer.load(empty)).rejects.toThrow(/merges\.txt/);
    await expect(Tokenizer.load(3 as unknown as string)).rejects.toThrow(/path/);
    await expect(Tokenizer.load(empty, { sginal: 1 } as object)).rejects.toThrow(/sginal/);
  });

  it("vocab.txt without what BERT needs", async () => {
    await expect(Tokenizer.load(await files({ "vocab.txt": "a\nb" }))).rejects.toThrow(/\[UNK\]/);
    await expect(Tokenizer.load(await files({ "vocab.txt": "" }))).rejects.toThrow(TokenizerError);
  });

  it("merges.txt that is not what it should be", async () => {
    const with_merges = (merges: string) => files({ "vocab.json": gpt2.model.vocab, "merges.txt": merges });
    await expect(Tokenizer.load(await with_merges("a b\nc"))).rejects.toThrow(/merges\.txt line 2/);
    await expect(Tokenizer.load(await with_merges("qqqq zzzz"))).rejects.toThrow(/merge 0/);
  });

  it("stops when asked to", async () => {
    const path = await files({ "tokenizer.json": bertJson });
    await expect(Tokenizer.load(path, { signal: AbortSignal.abort() })).rejects.toThrow(AbortError);
    const controller = new AbortController();
    const loading = Tokenizer.load(path, { signal: controller.signal });
    setImmediate(() => controller.abort("enough"));
    await expect(loading).rejects.toMatchObject({ code: "ABORTED", cause: "enough" });
  });
});

describe("GGUF", () => {
  const metadata = (entries: Record<string, unknown>): Map<string, unknown> =>
    new Map(Object.entries(entries));
  const phantom = bertTokens.map((token) => {
    if (/^\[[A-Z]+\]$/.test(token)) return token;
    return token.startsWith("##") ? token.slice(2) : `\u2581${token}`;
  });
  const types = bertTokens.map((token) =>
    ["[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]"].includes(token) ? 3 : 1,
  );
  const bertKeys = {
    "tokenizer.ggml.model": "bert",
    "tokenizer.ggml.tokens": phantom,
    "tokenizer.ggml.token_type": Int32Array.from(types),
    "tokenizer.ggml.bos_token_id": 101,
    "tokenizer.ggml.seperator_token_id": 102,
    "tokenizer.ggml.padding_token_id": 0,
    "tokenizer.ggml.unknown_token_id": 100,
    "tokenizer.ggml.mask_token_id": 103,
  };
  const gpt2Keys = {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "gpt-2",
    "tokenizer.ggml.tokens": gpt2Tokens,
    "tokenizer.ggml.token_type": gpt2Tokens.map((_, id) => (id === 8191 ? 3 : 1)),
    "tokenizer.ggml.merges": gpt2Merges,
    "tokenizer.ggml.bos_token_id": 8191,
    "tokenizer.ggml.eos_token_id": 8191,
  };

  it("prefers the tokenizer.json in the file", async () => {
    const keys = metadata({
      "tokenizer.huggingface.json": bertJson,
      "huggingface.tokenizer_config.json": `{"model_max_length": 128}`,
      "tokenizer.ggml.model": "nonsense",
    });
    const tokenizer = await Tokenizer.fromGguf(keys);
    expectSameTokens(tokenizer, fromBertJson);
    expect(tokenizer.modelMaxLength).toBe(128);
  });

  it("reads BERT's vocabulary as llama.cpp stores it", async () => {
    const tokenizer = await Tokenizer.fromGguf(metadata(bertKeys));
    expectSameTokens(tokenizer, fromBertJson);
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

  it("reads BERT's vocabulary without types and ids, and with ##", async () => {
    const { "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.model": model } = bertKeys;
    const older = tokens.map((token, i) => (/^\[.*\]$/.test(bertTokens[i]!) ? bertTokens[i]! : token));
    expectSameTokens(
      await Tokenizer.fromGguf(metadata({ "tokenizer.ggml.tokens": older, "tokenizer.ggml.model": model })),
      fromBertJson,
    );
    const plain = metadata({ "tokenizer.ggml.tokens": bertTokens, "tokenizer.ggml.model": model });
    expectSameTokens(await Tokenizer.fromGguf(plain), fromBertJson);
  });

  it("knows a cased vocabulary, and honours what the file says", async () => {
    const tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "Hello", "caf\u00e9", "cafe"];
    const ids = async (keys: object): Promise<string[]> => {
      const all = { "tokenizer.ggml.model": "bert", "tokenizer.ggml.tokens": tokens, ...keys };
      return [
        ...(await Tokenizer.fromGguf(metadata(all))).encode("Hello Caf\u00e9 caf\u00e9", {
          addSpecialTokens: false,
        }).tokens,
      ];
    };
    expect(await ids({})).toEqual(["Hello", "[UNK]", "caf\u00e9"]);
    expect(await ids({ "tokenizer.ggml.normalizer.lowercase": true })).toEqual(["hello", "cafe", "cafe"]);
    expect(
      await ids({
        "tokenizer.ggml.normalizer.lowercase": true,
        "tokenizer.ggml.normalizer.strip_accents": false,
      }),
    ).toEqual(["hello", "caf\u00e9", "caf\u00e9"]);
  });

  it("reads byte-level BPE", async () => {
    expectSameTokens(await Tokenizer.fromGguf(metadata(gpt2Keys)), fromGpt2Json);
    const bos = await Tokenizer.fromGguf(metadata({ ...gpt2Keys, "tokenizer.ggml.add_bos_token": true }));
    expect(bos.encode("a").tokens).toEqual(["<|endoftext|>", "a"]);
    expect(bos.encode("a", { addSpecialTokens: false }).tokens).toEqual(["a"]);
  });

  it.each([
    ["no tokenizer", {}, TokenizerError, /tokenizer\.ggml\.model/],
    ["another kind", { "tokenizer.ggml.model": "rwkv" }, UnsupportedError, /rwkv/],
    ["SentencePiece", { "tokenizer.ggml.model": "llama" }, UnsupportedError, /llama/],
    ["another pattern", { ...gpt2Keys, "tokenizer.ggml.pre": "qwen2" }, UnsupportedError, /qwen2/],
    ["no tokens", { "tokenizer.ggml.model": "bert" }, TokenizerError, /tokenizer\.ggml\.tokens/],
    [
      "tokens that are numbers",
      { "tokenizer.ggml.model": "bert", "tokenizer.ggml.tokens": [1] },
      TokenizerError,
      /tokens\[0\]/,
    ],
    ["no merges", { ...gpt2Keys, "tokenizer.ggml.merges": undefined }, TokenizerError, /merges/],
    ["merges of one part", { ...gpt2Keys, "tokenizer.ggml.merges": ["ab"] }, TokenizerError, /merges\[0\]/],
    ["too few types", { ...bertKeys, "tokenizer.ggml.token_type": [1] }, TokenizerError, /token_type/],
    [
      "an id that no token has",
      { ...bertKeys, "tokenizer.ggml.mask_token_id": 1e6 },
      TokenizerError,
      /mask_token_id/,
    ],
    ["a model that is no string", { "tokenizer.ggml.model": 3 }, TokenizerError, /tokenizer\.ggml\.model/],
    ["a broken tokenizer.json", { "tokenizer.huggingface.json": "{" }, TokenizerError, /JSON/],
  ])("%s", async (_, keys, type, message) => {
    const loading = Tokenizer.fromGguf(metadata(keys as Record<string, unknown>));
    await expect(loading).rejects.toThrow(type);
    await expect(loading).rejects.toThrow(message);
  });
});
