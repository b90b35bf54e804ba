/**
 * A checkpoint's tokenizer as GGUF metadata: its own files verbatim, which is what this package reads, and
 * llama.cpp's keys, so that the file also loads there.
 */
import type { MetadataItem } from "../gguf/writer.js";
import { JsonObject, type Json } from "../tokenizer/json-slices.js";
import { breathe } from "../tokenizer/time-slices.js";
import { JsonFile } from "./json-file.js";
import { readVocabulary, type Vocabulary } from "./vocabulary.js";

/** llama.cpp's token types. */
const TOKEN_TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5 } as const;

/** llama.cpp's names of the models. */
const MODEL_NAMES: Readonly<Record<Vocabulary["kind"], string>> = {
  wordpiece: "bert",
  "byte-level-bpe": "gpt2",
  unigram: "t5",
};

/** llama.cpp's keys for special tokens, by their names in tokenizer_config.json. */
const SPECIAL_KEYS: readonly [name: string, key: string][] = [
  ["bos", "bos_token_id"],
  ["eos", "eos_token_id"],
  ["unk", "unknown_token_id"],
  // llama.cpp's spelling.
  ["sep", "seperator_token_id"],
  ["pad", "padding_token_id"],
  ["cls", "cls_token_id"],
  ["mask", "mask_token_id"],
];

const DEFAULT_SPECIAL: Readonly<Record<Vocabulary["kind"], Readonly<Record<string, string>>>> = {
  wordpiece: { unk: "[UNK]", sep: "[SEP]", pad: "[PAD]", cls: "[CLS]", mask: "[MASK]" },
  "byte-level-bpe": { bos: "<|endoftext|>", eos: "<|endoftext|>", unk: "<|endoftext|>" },
  unigram: { bos: "<s>", eos: "</s>", unk: "<unk>", sep: "</s>", pad: "<pad>", cls: "<s>", mask: "<mask>" },
};

/** Everything a file says about its tokenizer. `vocabSize` is the number of rows of the token embedding. */
export async function readTokenizerMetadata(
  folder: string,
  config: JsonFile,
  vocabSize: number,
  signal?: AbortSignal,
): Promise<MetadataItem[]> {
  const tokenizerConfig = await JsonFile.find(folder, "tokenizer_config.json");
  const vocabulary = await readVocabulary(folder, tokenizerConfig, signal);
  // Ids without a row in the embedding can never be used.
  if (vocabulary.tokens.length > vocabSize) vocabulary.tokens.length = vocabSize;
  const special = specialTokens(vocabulary, config, tokenizerConfig, vocabSize);
  const metadata: MetadataItem[] = [
    text("tokenizer.ggml.model", MODEL_NAMES[vocabulary.kind]),
    text("tokenizer.ggml.pre", preTokenizer(vocabulary)),
    ...(await tokenArrays(vocabulary, vocabSize, signal)),
    ...specialIds(special),
    ...addedByTemplate(vocabulary, tokenizerConfig, special),
    ...normalizerFlags(vocabulary),
    ...vocabulary.files.map(({ key, bytes }): MetadataItem => ({ key, type: "string", value: bytes })),
  ];
  if (tokenizerConfig !== undefined) {
    metadata.push({ key: "huggingface.tokenizer_config.json", type: "string", value: tokenizerConfig.bytes });
  }
  return metadata;
}

function text(key: string, value: string): MetadataItem {
  return { key, type: "string", value };
}

function preTokenizer({ kind, postProcessor, digitsApart }: Vocabulary): string {
  if (kind !== "byte-level-bpe") return "default";
  if (digitsApart === true) return "starcoder";
  return postProcessor?.get("type") === "RobertaProcessing" ? "roberta-bpe" : "gpt-2";
}

/** Tokens, their types and merges. */
async function tokenArrays(
  vocabulary: Vocabulary,
  vocabSize: number,
  signal?: AbortSignal,
): Promise<MetadataItem[]> {
  const { kind, tokens, merges } = vocabulary;
  const added = new Map(vocabulary.added.map((token) => [token.id, token]));
  const types = new Int32Array(vocabSize);
  const texts: string[] = [];
  for (let id = 0; id < vocabSize; id++) {
    if (id % 512 === 0) await breathe(signal);
    const token = tokens[id];
    const special = added.get(id);
    if (token === undefined) types[id] = TOKEN_TYPE.unused;
    else if (id === vocabulary.unknownId) types[id] = TOKEN_TYPE.unknown;
    else if (special === undefined) types[id] = TOKEN_TYPE.normal;
    else types[id] = special.special ? TOKEN_TYPE.control : TOKEN_TYPE.userDefined;
    const spelled = token ?? `[PAD${id}]`;
    texts.push(kind === "wordpiece" && types[id] !== TOKEN_TYPE.control ? phantomSpace(spelled) : spelled);
  }
  const arrays: MetadataItem[] = [
    { key: "tokenizer.ggml.tokens", type: "array", itemType: "string", value: texts },
    { key: "tokenizer.ggml.token_type", type: "array", itemType: "i32", value: types },
  ];
  if (kind === "byte-level-bpe") {
    arrays.push({ key: "tokenizer.ggml.merges", type: "array", itemType: "string", value: merges });
  }
  if (kind === "unigram") arrays.push(...unigramArrays(vocabulary, vocabSize));
  return arrays;
}

function unigramArrays({ scores, charsmap, spaces }: Vocabulary, vocabSize: number): MetadataItem[] {
  const value = new Float32Array(vocabSize);
  value.set(scores!.subarray(0, vocabSize));
  const arrays: MetadataItem[] = [{ key: "tokenizer.ggml.scores", type: "array", itemType: "f32", value }];
  if (spaces !== undefined) {
    const { prefix, removesExtra } = spaces;
    arrays.push(
      { key: "tokenizer.ggml.add_space_prefix", type: "bool", value: prefix },
      { key: "tokenizer.ggml.remove_extra_whitespaces", type: "bool", value: removesExtra },
    );
  }
  if (charsmap !== undefined) {
    arrays.push({
      key: "tokenizer.ggml.precompiled_charsmap",
      type: "array",
      itemType: "u8",
      value: charsmap,
    });
  }
  return arrays;
}

/** llama.cpp marks the tokens that begin a word and drops the mark of those that do not. */
function phantomSpace(token: string): string {
  return token.startsWith("##") ? token.slice(2) : `\u2581${token}`;
}

/** Ids of the special tokens by name: from tokenizer_config.json, else config.json, else the usual ones. */
function specialTokens(
  vocabulary: Vocabulary,
  config: JsonFile,
  tokenizerConfig: JsonFile | undefined,
  vocabSize: number,
): Map<string, number> {
  const usual = DEFAULT_SPECIAL[vocabulary.kind];
  const named = (name: string) => tokenContent(tokenizerConfig?.value[`${name}_token`]);
  const wanted = SPECIAL_KEYS.flatMap(([name]) => [named(name), usual[name]]);
  const idOf = findIds(vocabulary.tokens, new Set(wanted));
  const ids = new Map<string, number>();
  for (const [name] of SPECIAL_KEYS) {
    const candidates = [idOf.get(named(name)), config.value[`${name}_token_id`], idOf.get(usual[name])];
    const id = candidates.find((value) => Number.isInteger(value) && (value as number) >= 0);
    if (typeof id === "number" && id < vocabSize) ids.set(name, id);
  }
  // llama.cpp knows an encoder's [CLS] and [SEP] as the first and the last token.
  for (const [name, other] of [
    ["bos", "cls"],
    ["eos", "sep"],
  ] as const) {
    const id = ids.get(other);
    if (!ids.has(name) && id !== undefined) ids.set(name, id);
  }
  return ids;
}

/** The text of a token, which tokenizer_config.json gives as a string or as an object with its flags. */
function tokenContent(entry: unknown): string | undefined {
  const content =
    typeof entry === "string" ? entry : (entry as Record<string, unknown> | undefined)?.["content"];
  return typeof content === "string" ? content : undefined;
}

function findIds(
  tokens: Vocabulary["tokens"],
  wanted: ReadonlySet<string | undefined>,
): Map<string | undefined, number> {
  const ids = new Map<string | undefined, number>();
  for (const [id, token] of tokens.entries()) {
    if (token !== undefined && wanted.has(token) && !ids.has(token)) ids.set(token, id);
  }
  return ids;
}

function specialIds(special: ReadonlyMap<string, number>): MetadataItem[] {
  return SPECIAL_KEYS.flatMap(([name, key]) => {
    const value = special.get(name);
    return value === undefined ? [] : [{ key: `tokenizer.ggml.${key}`, type: "u32" as const, value }];
  });
}

/** Which special tokens the tokenizer adds to a text, as far as llama.cpp's three flags can say it. */
function addedByTemplate(
  { postProcessor, tokens }: Vocabulary,
  tokenizerConfig: JsonFile | undefined,
  special: ReadonlyMap<string, number>,
): MetadataItem[] {
  const flags: { bos?: boolean; eos?: boolean; sep?: boolean } = {};
  if (postProcessor?.get("type") === "RobertaProcessing")
    Object.assign(flags, { bos: true, eos: true, sep: true });
  if (postProcessor?.get("type") === "TemplateProcessing") {
    const single = templateTokens(postProcessor.get("single"));
    const pair = templateTokens(postProcessor.get("pair"));
    const is = (token: string | undefined, ...names: string[]) =>
      token !== undefined && names.some((name) => special.get(name) === tokens.indexOf(token));
    flags.bos = is(single[0], "bos", "cls");
    flags.eos = single.length > 1 && is(single.at(-1), "eos");
    // Between the texts of a pair: one token is the first text's end, a second one a separator.
    const between = pair.slice(pair.indexOf("A") + 1, pair.indexOf("B"));
    flags.sep = between.length > (flags.eos ? 1 : 0) && between.every((token) => is(token, "sep", "eos"));
  }
  for (const name of ["bos", "eos"] as const) {
    const said = tokenizerConfig?.value[`add_${name}_token`];
    if (typeof said === "boolean") flags[name] = said;
  }
  return Object.entries(flags).map(([name, value]) => {
    return { key: `tokenizer.ggml.add_${name}_token`, type: "bool", value };
  });
}

/** Special tokens by content, the sequences as "A" and "B". */
function templateTokens(template: Json | undefined): string[] {
  if (!Array.isArray(template)) return [];
  return template.map((item) => {
    const piece = item instanceof JsonObject ? (item.get("SpecialToken") ?? item.get("Sequence")) : undefined;
    return piece instanceof JsonObject ? String(piece.get("id")) : "";
  });
}

function normalizerFlags({ lowercase, stripAccents }: Vocabulary): MetadataItem[] {
  const flags = { lowercase, strip_accents: stripAccents };
  return Object.entries(flags).flatMap(([name, value]) =>
    value === undefined ? [] : [{ key: `tokenizer.ggml.normalizer.${name}`, type: "bool" as const, value }],
  );
}
