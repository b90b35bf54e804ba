/** Checkpoints with random weights, converted, against an independent parser and the weights themselves. */
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { convert } from "../../lib/convert/index.js";
import { openModelFile, type EncoderFile } from "../../lib/model-file.js";
import { floats, parseGguf, type ParsedGguf } from "../support/gguf-bytes.js";
import {
  writeRandomBert,
  writeRandomGpt2,
  type BertArchitecture,
  type RandomModel,
} from "../support/random-models.js";
import { encodeFloats, writeSafetensors } from "../support/safetensors.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const folder = temporaryFolder();
let number = 0;
/** A new folder name for each model. */
const fresh = () => join(folder, `model-${number++}`);
const out = () => join(folder, `out-${number}.gguf`);

async function convertAndParse(
  dir: string,
  options: Parameters<typeof convert>[2] = {},
): Promise<ParsedGguf> {
  const { path, bytes } = await convert(dir, out(), options);
  const file = readFileSync(path);
  expect(file.length).toBe(bytes);
  return parseGguf(file);
}

/** The checkpoint's names for the tensors of a BERT file, written out here once more. */
function bertSource(name: string): string {
  const layer = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name);
  if (layer) {
    const inside: Record<string, string> = {
      attn_q: "attention.self.query",
      attn_k: "attention.self.key",
      attn_v: "attention.self.value",
      attn_output: "attention.output.dense",
      attn_output_norm: "attention.output.LayerNorm",
      ffn_up: "intermediate.dense",
      ffn_down: "output.dense",
      layer_output_norm: "output.LayerNorm",
    };
    return `bert.encoder.layer.${layer[1]}.${inside[layer[2]!]}.${layer[3]}`;
  }
  const [stem, part] = [name.slice(0, name.lastIndexOf(".")), name.slice(name.lastIndexOf(".") + 1)];
  const outside: Record<string, string> = {
    token_embd: "bert.embeddings.word_embeddings",
    position_embd: "bert.embeddings.position_embeddings",
    token_types: "bert.embeddings.token_type_embeddings",
    token_embd_norm: "bert.embeddings.LayerNorm",
    cls: "bert.pooler.dense",
    "cls.output": "classifier",
    token_cls: "classifier",
    nsp: "cls.seq_relationship",
    qa: "qa_outputs",
    "mlm.transform": "cls.predictions.transform.dense",
    "mlm.transform_norm": "cls.predictions.transform.LayerNorm",
  };
  if (name === "mlm.output.bias") return "cls.predictions.bias";
  if (name === "mlm.output.weight") return "cls.predictions.decoder.weight";
  return `${outside[stem]}.${part}`;
}

function expectBertTensors(parsed: ParsedGguf, model: RandomModel, bare: boolean): void {
  expect(parsed.tensors.size).toBe(model.weights.size);
  for (const [name, { shape, data }] of parsed.tensors) {
    const source = bertSource(name);
    const weight = model.weights.get(bare ? source.replace("bert.", "") : source);
    expect(weight, `${name} from ${source}`).toBeDefined();
    expect(shape).toEqual([...weight!.shape].reverse());
    expect(Buffer.compare(data, Buffer.from(encodeFloats(weight!.data, "F32"))), name).toBe(0);
  }
}

describe("BERT", () => {
  const cases: [BertArchitecture, string[], Partial<EncoderFile["heads"]>][] = [
    ["BertModel", ["cls"], { pooler: true, mlm: false }],
    ["BertForPreTraining", ["cls", "mlm.transform", "nsp"], { pooler: true, mlm: true, nextSentence: true }],
    ["BertForMaskedLM", ["mlm.transform"], { pooler: false, mlm: true }],
    ["BertForNextSentencePrediction", ["cls", "nsp"], { nextSentence: true }],
    ["BertForSequenceClassification", ["cls", "cls.output"], { sequenceLabels: 3 }],
    ["BertForTokenClassification", ["token_cls"], { tokenLabels: 3 }],
    ["BertForQuestionAnswering", ["qa"], { questionAnswering: true }],
  ];

  test.each(cases)("%s keeps every tensor", async (architecture, heads, expected) => {
    const model = await writeRandomBert(fresh(), {
      architecture,
      layers: 2,
      hidden: 32,
      intermediate: 48,
      heads: 2,
    });
    const parsed = await convertAndParse(model.dir);
    expectBertTensors(parsed, model, architecture === "BertModel");
    for (const head of heads) expect(parsed.tensors.has(`${head}.weight`), head).toBe(true);
    const opened = (await openModelFile(out())) as EncoderFile;
    expect(opened.heads).toMatchObject(expected);
    if (/Classification/.test(architecture)) expect(opened.labels).toEqual(["label 0", "label 1", "label 2"]);
  });

  test("keeps an untied head, and drops the copy of a tied one", async () => {
    const untied = await writeRandomBert(fresh(), {
      architecture: "BertForMaskedLM",
      tied: false,
      hidden: 32,
    });
    const parsed = await convertAndParse(untied.dir);
    expectBertTensors(parsed, untied, false);
    expect(parsed.tensors.get("mlm.output.weight")?.shape).toEqual([32, 400]);

    const config = { ...untied.config, tie_word_embeddings: true };
    writeFileSync(join(untied.dir, "config.json"), JSON.stringify(config));
    expect((await convertAndParse(untied.dir)).tensors.has("mlm.output.weight")).toBe(false);
  });

  test("reads the old names gamma and beta, buffers, and a bias under the decoder's name", async () => {
    const model = await writeRandomBert(fresh(), { architecture: "BertForMaskedLM", hidden: 32, layers: 1 });
    const renamed = [...model.weights].map(([name, { shape, data }]) => ({
      name: name
        .replace("LayerNorm.weight", "LayerNorm.gamma")
        .replace("LayerNorm.bias", "LayerNorm.beta")
        .replace("cls.predictions.bias", "cls.predictions.decoder.bias"),
      shape,
      write: (target: Float32Array) => target.set(data),
    }));
    const buffer = { name: "bert.embeddings.position_ids", shape: [1, 128], write: () => {} };
    await writeSafetensors(join(model.dir, "model.safetensors"), [...renamed, buffer], "F32");
    expectBertTensors(await convertAndParse(model.dir), model, false);
  });

  test("writes llama.cpp's keys and the original files", async () => {
    const model = await writeRandomBert(fresh(), {
      architecture: "BertModel",
      hidden: 32,
      tokenizerFormat: "both",
      activation: "gelu_new",
    });
    const { metadata } = await convertAndParse(model.dir, { name: "given" });
    const value = (key: string) => metadata.get(key)?.value;
    expect(Object.fromEntries([...metadata].map(([key, entry]) => [key, entry.value]))).toMatchObject({
      "general.architecture": "bert",
      "general.name": "given",
      "general.file_type": 0,
      "bert.block_count": 2,
      "bert.context_length": 128,
      "bert.embedding_length": 32,
      "bert.feed_forward_length": 128,
      "bert.attention.head_count": 4,
      "bert.attention.layer_norm_epsilon": Math.fround(1e-12),
      "bert.attention.causal": false,
      "bert.hidden_activation": "gelu_new",
      "tokenizer.ggml.model": "bert",
      "tokenizer.ggml.token_type_count": 2,
      "tokenizer.ggml.padding_token_id": 0,
      "tokenizer.ggml.unknown_token_id": 1,
      "tokenizer.ggml.bos_token_id": 2,
      "tokenizer.ggml.seperator_token_id": 3,
      "tokenizer.ggml.eos_token_id": 3,
      "tokenizer.ggml.mask_token_id": 4,
      "tokenizer.ggml.add_bos_token": true,
      "tokenizer.ggml.normalizer.lowercase": true,
    });
    const vocabulary = readFileSync(join(model.dir, "vocab.txt"), "utf8").trimEnd().split("\n");
    const tokens = value("tokenizer.ggml.tokens") as string[];
    expect(tokens).toHaveLength(400);
    expect(tokens.slice(0, 7)).toEqual(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "▁a", "a"]);
    expect(
      tokens.map((token, id) => (id < 5 ? token : token.startsWith("▁") ? token.slice(1) : `##${token}`)),
    ).toEqual(vocabulary);
    expect((value("tokenizer.ggml.token_type") as number[]).slice(0, 6)).toEqual([3, 3, 3, 3, 3, 1]);
    for (const [key, file] of [
      ["tokenizer.huggingface.json", "tokenizer.json"],
      ["huggingface.tokenizer_config.json", "tokenizer_config.json"],
      ["huggingface.config.json", "config.json"],
    ] as const) {
      expect(value(key)).toBe(readFileSync(join(model.dir, file), "utf8"));
    }
  });

  test("without tokenizer.json, keeps vocab.txt", async () => {
    const model = await writeRandomBert(fresh(), {
      architecture: "BertModel",
      hidden: 32,
      tokenizerFormat: "files",
    });
    const { metadata } = await convertAndParse(model.dir);
    expect(metadata.has("tokenizer.huggingface.json")).toBe(false);
    expect(metadata.get("huggingface.vocab.txt")?.value).toBe(
      readFileSync(join(model.dir, "vocab.txt"), "utf8"),
    );
    expect(metadata.get("tokenizer.ggml.normalizer.lowercase")?.value).toBe(true);
    expect((metadata.get("tokenizer.ggml.token_type")!.value as number[]).slice(0, 6)).toEqual([
      3, 3, 3, 3, 3, 1,
    ]);
  });
});

describe("GPT-2", () => {
  test.each([
    ["GPT2LMHeadModel", true],
    ["GPT2LMHeadModel", false],
    ["GPT2Model", true],
  ] as const)("%s, tied: %s, keeps every tensor, its matrices transposed", async (architecture, tied) => {
    const model = await writeRandomGpt2(fresh(), {
      architecture,
      tied,
      hidden: 24,
      heads: 3,
      intermediate: 40,
    });
    const parsed = await convertAndParse(model.dir);
    expect(parsed.tensors.size).toBe(model.weights.size);
    const prefix = architecture === "GPT2Model" ? "" : "transformer.";
    const inside: Record<string, string> = {
      attn_norm: "ln_1",
      attn_qkv: "attn.c_attn",
      attn_output: "attn.c_proj",
      ffn_norm: "ln_2",
      ffn_up: "mlp.c_fc",
      ffn_down: "mlp.c_proj",
    };
    const outside: Record<string, string> = {
      token_embd: `${prefix}wte`,
      position_embd: `${prefix}wpe`,
      output_norm: `${prefix}ln_f`,
      output: "lm_head",
    };
    for (const [name, { shape, data }] of parsed.tensors) {
      const [, layer, stem, part] = /^(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)$/.exec(name)!;
      const source = layer ? `${prefix}h.${layer}.${inside[stem!]}` : outside[stem!];
      const weight = model.weights.get(`${source}.${part}`)!;
      const transposed = layer !== undefined && part === "weight" && !stem!.includes("norm");
      const expected = transposed ? transpose(weight.data, weight.shape as [number, number]) : weight.data;
      expect(shape).toEqual(transposed ? weight.shape : [...weight.shape].reverse());
      expect(floats(data), name).toEqual(expected);
    }
  });

  /** [rows, columns] to [columns, rows]. */
  function transpose(values: Float32Array, [rows, columns]: [number, number]): Float32Array {
    return Float32Array.from(values, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!);
  }

  test("transposes matrices of more than one slice", async () => {
    const model = await writeRandomGpt2(fresh(), { layers: 1, hidden: 400, heads: 4, vocabSize: 300 });
    const { tensors } = await convertAndParse(model.dir);
    const { data, shape } = model.weights.get("transformer.h.0.mlp.c_fc.weight")!;
    expect(floats(tensors.get("blk.0.ffn_up.weight")!.data)).toEqual(
      transpose(data, shape as [number, number]),
    );
  });

  test("ignores the causal mask that old checkpoints store, and the copy of a tied head", async () => {
    const model = await writeRandomGpt2(fresh(), { layers: 1, hidden: 24 });
    const stored = [...model.weights].map(([name, { shape, data }]) => {
      return { name, shape, write: (target: Float32Array) => target.set(data) };
    });
    const extra = ["transformer.h.0.attn.bias", "transformer.h.0.attn.masked_bias", "lm_head.weight"].map(
      (name) => {
        return { name, shape: [4, 4], write: () => {} };
      },
    );
    await writeSafetensors(join(model.dir, "model.safetensors"), [...stored, ...extra], "F32");
    expect((await convertAndParse(model.dir)).tensors.size).toBe(model.weights.size);
  });

  test("writes llama.cpp's keys", async () => {
    const config = { scale_attn_by_inverse_layer_idx: true, scale_attn_weights: false };
    const model = await writeRandomGpt2(fresh(), { hidden: 24, intermediate: 40, config });
    const { metadata } = await convertAndParse(model.dir);
    expect(Object.fromEntries([...metadata].map(([key, entry]) => [key, entry.value]))).toMatchObject({
      "general.architecture": "gpt2",
      "gpt2.context_length": 128,
      "gpt2.embedding_length": 24,
      "gpt2.feed_forward_length": 40,
      "gpt2.block_count": 2,
      "gpt2.attention.head_count": 4,
      "gpt2.attention.layer_norm_epsilon": Math.fround(1e-5),
      "gpt2.hidden_activation": "gelu_new",
      "gpt2.attention.scale_weights": false,
      "gpt2.attention.scale_by_inverse_layer": true,
      "tokenizer.ggml.model": "gpt2",
      "tokenizer.ggml.pre": "gpt-2",
      "tokenizer.ggml.bos_token_id": 399,
      "tokenizer.ggml.eos_token_id": 399,
    });
    const files = await writeRandomGpt2(fresh(), { hidden: 24, tokenizerFormat: "files" });
    const fromFiles = await convertAndParse(files.dir);
    for (const key of ["tokenizer.ggml.tokens", "tokenizer.ggml.merges", "tokenizer.ggml.token_type"]) {
      expect(fromFiles.metadata.get(key)).toEqual(metadata.get(key));
    }
    expect(fromFiles.metadata.get("huggingface.merges.txt")?.value).toBe(
      readFileSync(join(files.dir, "merges.txt"), "utf8"),
    );
  });
});

describe("float types", () => {
  test.each(["F16", "BF16"] as const)(
    "a %s checkpoint stays as it is, and becomes F32 exactly",
    async (dtype) => {
      const model = await writeRandomBert(fresh(), { architecture: "BertModel", hidden: 32, dtype });
      const own = await convertAndParse(model.dir);
      const wide = await convertAndParse(model.dir, { type: "F32" });
      const { data } = model.weights.get("encoder.layer.0.output.dense.weight")!;
      const stored = encodeFloats(data, dtype);
      expect(own.tensors.get("blk.0.ffn_down.weight")).toMatchObject({ type: dtype === "F16" ? 1 : 30 });
      expect(Buffer.compare(own.tensors.get("blk.0.ffn_down.weight")!.data, stored)).toBe(0);
      // Narrowed again, the exact values are the stored ones.
      const exact = floats(wide.tensors.get("blk.0.ffn_down.weight")!.data);
      expect(Buffer.compare(encodeFloats(exact, dtype), stored)).toBe(0);
      // Biases, norms, positions and segments are F32 in every file.
      for (const name of [
        "blk.0.ffn_down.bias",
        "token_embd_norm.weight",
        "position_embd.weight",
        "token_types.weight",
      ]) {
        expect(own.tensors.get(name)?.type, name).toBe(0);
      }
    },
  );

  test("values beyond F16 and values that are no numbers are refused by name", async () => {
    const model = await writeRandomBert(fresh(), { architecture: "BertModel", hidden: 32, layers: 1 });
    const spoil = async (value: number) => {
      const tensors = [...model.weights].map(([name, { shape, data }]) => ({
        name,
        shape,
        write: (target: Float32Array) => {
          target.set(data);
          if (name === "pooler.dense.weight") target[77] = value;
        },
      }));
      await writeSafetensors(join(model.dir, "model.safetensors"), tensors, "F32");
      return convert(model.dir, out(), { type: "F16" });
    };
    const details = { field: "pooler.dense.weight" };
    await expect(spoil(70_000)).rejects.toMatchObject({ code: "UNSUPPORTED", details });
    await expect(spoil(Number.NaN)).rejects.toMatchObject({ code: "MODEL_FILE_INVALID", details });
    await expect(spoil(-Infinity)).rejects.toMatchObject({ code: "MODEL_FILE_INVALID", details });
    await expect(spoil(65_504)).resolves.toBeDefined();
  });
});

test("shards make the same file as one", async () => {
  const single = await writeRandomBert(fresh(), { seed: 5, hidden: 32, shards: 1 });
  const sharded = await writeRandomBert(fresh(), { seed: 5, hidden: 32, shards: 3 });
  const [a, b] = [join(folder, "a.gguf"), join(folder, "b.gguf")];
  await convert(single.dir, a, { name: "same" });
  await convert(sharded.dir, b, { name: "same" });
  expect(readFileSync(a).equals(readFileSync(b))).toBe(true);
});

describe("sentence-transformers", () => {
  test.each([
    ["mean", 1],
    ["cls", 2],
    ["last", 3],
    ["max", undefined],
  ] as const)("pooling %s, normalization, length and prompts are kept", async (pooling, type) => {
    const model = await writeRandomBert(fresh(), {
      architecture: "BertModel",
      hidden: 32,
      sentenceTransformers: {
        pooling,
        normalize: pooling !== "cls",
        maxSequenceLength: 64,
        prompts: { query: "query: ", document: "" },
        defaultPromptName: "query",
      },
    });
    const parsed = await convertAndParse(model.dir);
    expect(parsed.metadata.get("bert.pooling_type")?.value).toBe(type);
    const opened = (await openModelFile(out())) as EncoderFile;
    expect(opened.sentenceTransformers).toEqual({
      pooling,
      normalize: pooling !== "cls",
      maxSequenceLength: 64,
      prompts: { query: "query: ", document: "" },
      defaultPromptName: "query",
    });
  });

  const pooling = { word_embedding_dimension: 32 };
  const modules = (...types: string[]) =>
    types.map((type, idx) => ({
      idx,
      path: idx === 0 ? "" : "1_Pooling",
      type: `sentence_transformers.models.${type}`,
    }));

  test.each([
    ["Dense before pooling", "modules.json", modules("Transformer", "Dense", "Pooling"), "modules.json"],
    [
      "Dense after all",
      "modules.json",
      modules("Transformer", "Pooling", "Normalize", "Dense"),
      "modules.json",
    ],
    ["Dense without sizes", "modules.json", modules("Transformer", "Pooling", "Dense"), "in_features"],
    ["LSTM", "modules.json", modules("Transformer", "LSTM", "Pooling"), "LSTM"],
    ["WordEmbeddings", "modules.json", modules("WordEmbeddings", "Pooling"), "WordEmbeddings"],
    ["another order", "modules.json", modules("Transformer", "Normalize", "Pooling"), "modules.json"],
    [
      "two modes",
      "1_Pooling/config.json",
      { ...pooling, pooling_mode_mean_tokens: true, pooling_mode_max_tokens: true },
      "pooling_mode",
    ],
    ["no mode", "1_Pooling/config.json", pooling, "pooling_mode"],
    [
      "weighted mean",
      "1_Pooling/config.json",
      { ...pooling, pooling_mode_weightedmean_tokens: true },
      "pooling_mode",
    ],
    ["an unknown word", "1_Pooling/config.json", { ...pooling, pooling_mode: "median" }, "pooling_mode"],
    [
      "another width",
      "1_Pooling/config.json",
      { word_embedding_dimension: 64, pooling_mode: "mean" },
      "word_embedding_dimension",
    ],
    [
      "a module outside",
      "modules.json",
      [
        { type: "a.Transformer", path: ".." },
        { type: "a.Pooling", path: "1_Pooling" },
      ],
      "modules.json",
    ],
    ["no list", "modules.json", { type: "x" }, "modules.json"],
    ["prompts of numbers", "config_sentence_transformers.json", { prompts: { query: 1 } }, "prompts"],
    [
      "a default without prompt",
      "config_sentence_transformers.json",
      { prompts: {}, default_prompt_name: "q" },
      "default_prompt_name",
    ],
  ])("%s is refused by name", async (_what, file, contents, field) => {
    const dir = fresh();
    await writeRandomBert(dir, {
      architecture: "BertModel",
      hidden: 32,
      layers: 1,
      sentenceTransformers: {},
    });
    writeFileSync(join(dir, file), JSON.stringify(contents));
    await expect(convert(dir, out())).rejects.toMatchObject({ details: { field } });
    expect(existsSync(out())).toBe(false);
  });

  test.each([
    [
      "an activation that is not computed",
      { activation_function: "torch.nn.modules.activation.Hardtanh" },
      "activation_function",
    ],
    ["another width", { in_features: 31 }, "in_features"],
    ["weights of another shape", { out_features: 9 }, "linear.weight"],
    ["a bias that is not there", { bias: true }, "linear.bias"],
    ["vectors of tokens", { module_input_name: "token_embeddings" }, "module_input_name"],
  ])("Dense with %s is refused by name", async (_what, entries, field) => {
    const dir = fresh();
    await writeRandomBert(dir, {
      architecture: "BertModel",
      hidden: 32,
      layers: 1,
      sentenceTransformers: {},
    });
    mkdirSync(join(dir, "2_Dense"));
    const config = { in_features: 32, out_features: 8, bias: false, ...entries };
    writeFileSync(join(dir, "2_Dense/config.json"), JSON.stringify(config));
    const weight = { name: "linear.weight", shape: [8, 32], write: () => {} };
    await writeSafetensors(join(dir, "2_Dense/model.safetensors"), [weight], "F32");
    const [transformer, pooled] = modules("Transformer", "Pooling");
    const list = [transformer, pooled, { path: "2_Dense", type: "sentence_transformers.models.Dense" }];
    writeFileSync(join(dir, "modules.json"), JSON.stringify(list));
    await expect(convert(dir, out())).rejects.toMatchObject({ details: { field } });
    expect(existsSync(out())).toBe(false);
  });

  test("the new spelling of pooling is read", async () => {
    const dir = fresh();
    await writeRandomBert(dir, {
      architecture: "BertModel",
      hidden: 32,
      layers: 1,
      sentenceTransformers: {},
    });
    writeFileSync(
      join(dir, "1_Pooling/config.json"),
      JSON.stringify({ ...pooling, pooling_mode: "lasttoken" }),
    );
    await convert(dir, out());
    expect(((await openModelFile(out())) as EncoderFile).sentenceTransformers.pooling).toBe("last");
  });
});

describe("a conversion that ends early leaves nothing behind", () => {
  const leftovers = () => readdirSync(folder).filter((name) => name.includes(".tmp"));

  test("by a signal, before and in the middle", async () => {
    const { dir } = await writeRandomBert(fresh(), { hidden: 64 });
    await expect(convert(dir, out(), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "ABORTED",
    });
    const controller = new AbortController();
    const seen: number[] = [];
    const converting = convert(dir, out(), {
      signal: controller.signal,
      onProgress: ({ done, total }) => {
        seen.push(done / total);
        if (done > total / 2) controller.abort(new Error("enough"));
      },
    });
    await expect(converting).rejects.toMatchObject({ code: "ABORTED", cause: { message: "enough" } });
    expect(seen.length).toBeGreaterThan(3);
    expect(existsSync(out())).toBe(false);
    expect(leftovers()).toEqual([]);
  });

  test("by an error in the caller's callback", async () => {
    const { dir } = await writeRandomBert(fresh(), { hidden: 32 });
    const onProgress = () => {
      throw new Error("mine");
    };
    await expect(convert(dir, out(), { onProgress })).rejects.toThrow("mine");
    expect(leftovers()).toEqual([]);
  });

  test("and a finished one reports all its bytes", async () => {
    const { dir } = await writeRandomBert(fresh(), { hidden: 32 });
    const seen: { done: number; total: number; tensor: string }[] = [];
    await convert(dir, out(), { onProgress: (progress) => seen.push(progress) });
    expect(seen.at(-1)?.done).toBe(seen.at(-1)?.total);
    expect(seen.map(({ done }) => done)).toEqual(seen.map(({ done }) => done).sort((a, b) => a - b));
    expect(seen[0]?.tensor).toBe("token_embd.weight");
  });
});
