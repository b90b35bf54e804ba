import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { ModelFileError, UnsupportedError } from "../../lib/errors.js";
import { LongText } from "../../lib/gguf/metadata.js";
import { openModelFile, resolveModel, type DecoderFile, type EncoderFile } from "../../lib/model-file.js";
import {
  buildGguf,
  TENSOR_TYPE_IDS,
  type GgufSpec,
  type MetaValue,
  type TensorSpec,
} from "../support/gguf-bytes.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { tinyBert, tinyGpt2, withKey, withTensor } from "../support/tiny-gguf.js";

const folder = temporaryFolder();
const path = join(folder, "model.gguf");

async function open(spec: GgufSpec) {
  writeFileSync(path, buildGguf(spec).bytes);
  return openModelFile(path);
}
const openBert = async (spec: GgufSpec) => (await open(spec)) as EncoderFile;
const openGpt2 = async (spec: GgufSpec) => (await open(spec)) as DecoderFile;

const text = (value: string): MetaValue => ({ type: "string", value });
const u32 = (value: number): MetaValue => ({ type: "u32", value });
const bool = (value: boolean): MetaValue => ({ type: "bool", value });

describe("a bert file", () => {
  test("gives its hyper-parameters, heads, labels and embedding settings", async () => {
    const model = await openBert(tinyBert());
    expect(model).toMatchObject({
      path,
      name: "tiny",
      kind: "encoder",
      architecture: "bert",
      hyperparameters: {
        vocabSize: 6,
        contextLength: 4,
        embeddingLength: 8,
        feedForwardLength: 16,
        blockCount: 1,
        headCount: 2,
        segmentCount: 2,
        activation: "gelu",
      },
      heads: {
        pooler: true,
        mlm: true,
        nextSentence: true,
        sequenceLabels: 3,
        tokenLabels: 0,
        questionAnswering: true,
      },
      labels: ["no", "maybe", "yes"],
      sentenceTransformers: {
        pooling: "mean",
        normalize: true,
        maxSequenceLength: 3,
        prompts: { query: "q: " },
        defaultPromptName: "query",
      },
      config: { position_embedding_type: "absolute" },
    });
    expect(model.hyperparameters.layerNormEpsilon).toBeCloseTo(1e-12, 18);
    expect(model.spec.path).toBe(path);
    expect(model.spec.hyperparameters).toBe(model.hyperparameters);
  });

  test("says how its classifier's logits become scores, in our keys or the configuration it carries", async () => {
    expect((await openBert(tinyBert())).classifier).toEqual({});
    const config = { problem_type: "regression", sbert_ce_default_activation_function: "old.Name" };
    const configured = withKey(tinyBert(), "huggingface.config.json", text(JSON.stringify(config)));
    expect((await openBert(configured)).classifier).toEqual({
      problemType: "regression",
      activation: "old.Name",
    });
    const keyed = withKey(configured, "bert.classifier.problem_type", text("multi_label_classification"));
    const both = withKey(keyed, "bert.classifier.activation", text("new.Name"));
    expect((await openBert(both)).classifier).toEqual({
      problemType: "multi_label_classification",
      activation: "new.Name",
    });
    const wrong = withKey(tinyBert(), "bert.classifier.problem_type", text("guess"));
    await expect(openBert(wrong)).rejects.toMatchObject({
      code: "MODEL_FILE_INVALID",
      details: { field: "bert.classifier.problem_type" },
    });
  });

  test("has a table of tensors that points at their data", async () => {
    const spec = tinyBert();
    const marked = spec.tensors.map((tensor, i): TensorSpec => {
      const values = tensor.shape.reduce((a, b) => a * b, 1);
      return { ...tensor, data: new Uint8Array(new Float32Array(values).fill(i + 1).buffer) };
    });
    const { bytes } = buildGguf({ ...spec, tensors: marked });
    writeFileSync(path, bytes);
    const model = await openModelFile(path);
    expect(model.spec.tensors.map(({ name, type, shape }) => ({ name, type, shape }))).toEqual(
      spec.tensors.map(({ name, shape }) => ({ name, type: "F32", shape })),
    );
    expect(model.spec.tensors.map(({ offset }) => bytes.readFloatLE(offset))).toEqual(
      marked.map((_, i) => i + 1),
    );
  });

  test("loads without segments, heads, activation or our keys, as llama.cpp's files come", async () => {
    const ours = /^(sentence_transformers|huggingface)|hidden_activation|output_labels|general\.name/;
    const heads = /^(cls|mlm|nsp|qa|token_types)/;
    const spec = tinyBert();
    const model = await openBert({
      metadata: spec.metadata.filter(([key]) => !ours.test(key)),
      tensors: spec.tensors.filter(({ name }) => !heads.test(name)),
    });
    expect(model.name).toBe("model");
    expect(model.hyperparameters).toMatchObject({ segmentCount: 0, activation: "gelu" });
    expect(Object.values(model.heads)).toEqual([false, false, false, 0, 0, false, false]);
    // llama.cpp's pooling_type 1.
    expect(model.sentenceTransformers.pooling).toBe("mean");
  });

  test("takes Q, K and V fused", async () => {
    const spec = tinyBert();
    const separate = spec.tensors.filter(({ name }) => !/attn_[qkv]\./.test(name));
    const fused = [
      { name: "blk.0.attn_qkv.weight", shape: [8, 24] },
      { name: "blk.0.attn_qkv.bias", shape: [24] },
    ];
    await expect(open({ ...spec, tensors: [...separate, ...fused] })).resolves.toBeDefined();
  });

  test.each([
    ["gelu", "gelu"],
    ["gelu_python", "gelu"],
    ["gelu_new", "gelu_new"],
    ["gelu_pytorch_tanh", "gelu_new"],
    ["gelu_fast", "gelu_new"],
    ["relu", "relu"],
    ["silu", "silu"],
    ["swish", "silu"],
    ["tanh", "tanh"],
  ])("knows the activation %s", async (name, activation) => {
    const model = await open(withKey(tinyBert(), "bert.hidden_activation", text(name)));
    expect(model.hyperparameters.activation).toBe(activation);
  });

  test("takes the activation from the configuration when no key names it", async () => {
    const bare = withKey(tinyBert(), "bert.hidden_activation", undefined);
    const model = await open(withKey(bare, "huggingface.config.json", text('{"hidden_act":"relu"}')));
    expect(model.hyperparameters.activation).toBe("relu");
  });

  test("names labels after the configuration, else by number", async () => {
    const bare = withKey(tinyBert(), "bert.classifier.output_labels", undefined);
    expect((await openBert(bare)).labels).toEqual(["LABEL_0", "LABEL_1", "LABEL_2"]);
    const config = text('{"id2label":{"0":"a","1":"b"}}');
    expect((await openBert(withKey(bare, "huggingface.config.json", config))).labels).toEqual([
      "a",
      "b",
      "LABEL_2",
    ]);
  });

  test.each([
    [0, undefined],
    [1, "mean"],
    [2, "cls"],
    [3, "last"],
    [4, undefined],
  ])("reads llama.cpp's pooling_type %i as %s", async (type, pooling) => {
    const bare = withKey(tinyBert(), "sentence_transformers.pooling", undefined);
    const model = await openBert(withKey(bare, "bert.pooling_type", u32(type)));
    expect(model.sentenceTransformers.pooling).toBe(pooling);
  });

  test("never states more tokens per text than there are positions", async () => {
    const model = await openBert(withKey(tinyBert(), "sentence_transformers.max_seq_length", u32(512)));
    expect(model.sentenceTransformers.maxSequenceLength).toBe(4);
  });
});

describe("a gpt2 file", () => {
  test("gives its hyper-parameters", async () => {
    const model = await openGpt2(tinyGpt2());
    expect(model).toMatchObject({
      kind: "decoder",
      architecture: "gpt2",
      heads: { languageModel: "tied", sequenceLabels: 0 },
      hyperparameters: { activation: "gelu_new", scaleAttention: true, scaleAttentionByInverseLayer: false },
    });
  });

  test("may have a head of its own, separate Q, K, V and other attention scales", async () => {
    const spec = tinyGpt2();
    const tensors = spec.tensors.filter(({ name }) => !name.includes("attn_qkv"));
    for (const part of ["q", "k", "v"]) {
      tensors.push(
        { name: `blk.0.attn_${part}.weight`, shape: [8, 8] },
        { name: `blk.0.attn_${part}.bias`, shape: [8] },
      );
    }
    tensors.push({ name: "output.weight", shape: [8, 6] });
    const metadata: GgufSpec["metadata"] = [
      ...spec.metadata,
      ["gpt2.attention.scale_weights", bool(false)],
      ["gpt2.attention.scale_by_inverse_layer", bool(true)],
    ];
    const model = await openGpt2({ metadata, tensors });
    expect(model.heads.languageModel).toBe("own");
    expect(model.hyperparameters).toMatchObject({
      scaleAttention: false,
      scaleAttentionByInverseLayer: true,
    });
  });
});

describe("what is missing is named", () => {
  const required: [kind: string, tiny: () => GgufSpec, keys: string[]][] = [
    [
      "bert",
      tinyBert,
      ["block_count", "context_length", "embedding_length", "feed_forward_length", "attention.head_count"],
    ],
    ["gpt2", tinyGpt2, ["block_count", "context_length", "embedding_length", "attention.layer_norm_epsilon"]],
  ];
  for (const [kind, tiny, keys] of required) {
    test.each(["general.architecture", ...keys.map((key) => `${kind}.${key}`)])("key %s", async (key) => {
      await expect(open(withKey(tiny(), key, undefined))).rejects.toMatchObject({
        code: "MODEL_FILE_INVALID",
        details: { path, field: key },
      });
    });

    test.each(tiny().tensors.map(({ name }) => name))(`${kind} tensor %s`, async (name) => {
      // Half of a head or all of the encoder: either is not a model. Only the segments are optional on their own.
      const opening = open(withTensor(tiny(), name, undefined));
      if (name === "token_types.weight") await expect(opening).resolves.toBeDefined();
      else await expect(opening).rejects.toThrow(name);
    });

    test.each(tiny().tensors)(`${kind} shape of $name`, async (tensor) => {
      const shape = tensor.shape.map((size, i) => (i === 0 ? size + 8 : size));
      await expect(
        open(withTensor(tiny(), tensor.name, { name: tensor.name, shape })),
      ).rejects.toBeInstanceOf(ModelFileError);
    });
  }
});

describe("keys of the wrong type or value are named", () => {
  const wrong: [key: string, value: MetaValue][] = [
    ["general.architecture", u32(1)],
    ["general.name", u32(1)],
    ["bert.block_count", text("1")],
    ["bert.block_count", { type: "i32", value: -1 }],
    ["bert.block_count", { type: "f32", value: 1.5 }],
    ["bert.block_count", { type: "i32s", value: [1] }],
    ["bert.block_count", u32(0)],
    ["bert.context_length", { type: "u64", value: 2n ** 63n }],
    ["bert.attention.head_count", u32(3)],
    ["bert.attention.head_count", u32(0)],
    ["bert.attention.layer_norm_epsilon", { type: "f32", value: Number.NaN }],
    ["bert.attention.layer_norm_epsilon", { type: "f32", value: -1 }],
    ["bert.attention.layer_norm_epsilon", { type: "f32", value: Infinity }],
    ["bert.attention.causal", u32(0)],
    ["bert.hidden_activation", u32(0)],
    ["bert.pooling_type", u32(9)],
    ["bert.classifier.output_labels", { type: "strings", value: ["one"] }],
    ["bert.classifier.output_labels", text("one")],
    ["sentence_transformers.pooling", text("median")],
    ["sentence_transformers.normalize", text("yes")],
    ["sentence_transformers.max_seq_length", u32(0)],
    ["sentence_transformers.prompts", text("[]")],
    ["sentence_transformers.prompts", text('{"query":1}')],
    ["sentence_transformers.prompts", text("{")],
    ["sentence_transformers.default_prompt_name", text("missing")],
    ["huggingface.config.json", text("not JSON")],
    ["tokenizer.ggml.tokens", { type: "strings", value: ["too", "few"] }],
    ["tokenizer.ggml.tokens", u32(6)],
  ];
  test.each(wrong)("%s = %o", async (key, value) => {
    await expect(open(withKey(tinyBert(), key, value))).rejects.toMatchObject({
      name: "ModelFileError",
      details: { field: key },
    });
  });

  test("texts longer than they can be in a file that means well", async () => {
    const long = (bytes: number) => `{"hidden_act":"gelu","note":"${"n".repeat(bytes)}"}`;
    const bare = withKey(tinyBert(), "bert.hidden_activation", undefined);
    const model = await open(withKey(bare, "huggingface.config.json", text(long(300_000))));
    expect(model.config).toMatchObject({ hidden_act: "gelu" });
    for (const [key, bytes] of [
      ["general.name", 300_000],
      ["general.architecture", 300_000],
      ["tokenizer.ggml.tokens", 300_000],
      ["huggingface.config.json", 2 ** 22],
    ] as const) {
      const opening = open(withKey(tinyBert(), key, text(long(bytes))));
      await expect(opening).rejects.toMatchObject({ name: "ModelFileError", details: { field: key } });
      await expect(opening).rejects.toThrow(/found a text of \d+ bytes/);
    }
  });

  test("block_count above the blocks in the file names the first missing tensor", async () => {
    const opening = open(withKey(tinyBert(), "bert.block_count", u32(2 ** 20)));
    await expect(opening).rejects.toMatchObject({ details: { field: expect.stringContaining("blk.1.") } });
  });
});

describe("sound files of other models are refused by name", () => {
  const foreign: [what: string, spec: () => GgufSpec, field: string][] = [
    ["llama", () => withKey(tinyBert(), "general.architecture", text("llama")), "general.architecture"],
    [
      "jina-bert-v2",
      () => withKey(tinyBert(), "general.architecture", text("jina-bert-v2")),
      "general.architecture",
    ],
    ["an adapter", () => withKey(tinyBert(), "general.type", text("adapter")), "general.type"],
    ["a part of a model", () => withKey(tinyBert(), "split.count", { type: "u16", value: 2 }), "split.count"],
    [
      "a causal bert",
      () => withKey(tinyBert(), "bert.attention.causal", bool(true)),
      "bert.attention.causal",
    ],
    [
      "a window without saying whose it is",
      () => withKey(tinyGpt2(), "gpt2.attention.sliding_window", { type: "u32", value: 8 }),
      "gpt2.attention.sliding_window",
    ],
    [
      "a bidirectional gpt2",
      () => withKey(tinyGpt2(), "gpt2.attention.causal", bool(false)),
      "gpt2.attention.causal",
    ],
    [
      "grouped heads",
      () => withKey(tinyBert(), "bert.attention.head_count_kv", u32(1)),
      "bert.attention.head_count_kv",
    ],
    ["experts", () => withKey(tinyBert(), "bert.expert_count", u32(8)), "bert.expert_count"],
    [
      "quick_gelu",
      () => withKey(tinyBert(), "bert.hidden_activation", text("quick_gelu")),
      "bert.hidden_activation",
    ],
    [
      "gelu_10",
      () => withKey(tinyBert(), "bert.hidden_activation", text("gelu_10")),
      "bert.hidden_activation",
    ],
    [
      "a property of Object as activation",
      () => withKey(tinyBert(), "bert.hidden_activation", text("constructor")),
      "bert.hidden_activation",
    ],
    [
      "relative positions",
      () => withConfig('{"position_embedding_type":"relative_key"}'),
      "huggingface.config.json: position_embedding_type",
    ],
    ["a decoder", () => withConfig('{"is_decoder":true}'), "huggingface.config.json: is_decoder"],
    [
      "a gated feed-forward",
      () =>
        withTensor(tinyBert(), "blk.0.ffn_gate.weight", { name: "blk.0.ffn_gate.weight", shape: [8, 16] }),
      "blk.0.ffn_gate.weight",
    ],
    [
      "a block too many",
      () => withTensor(tinyBert(), "blk.1.attn_q.weight", { name: "blk.1.attn_q.weight", shape: [8, 8] }),
      "blk.1.attn_q.weight",
    ],
    [
      "weights of a type not computed",
      () =>
        withTensor(tinyBert(), "qa.bias", {
          name: "qa.bias",
          shape: [2],
          type: 28,
          data: new Uint8Array(16),
        }),
      "qa.bias",
    ],
  ];
  test.each(foreign)("%s", async (_what, spec, field) => {
    const error: unknown = await open(spec()).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnsupportedError);
    expect((error as UnsupportedError).details["field"]).toBe(field);
  });

  function withConfig(json: string): GgufSpec {
    return withKey(tinyBert(), "huggingface.config.json", text(json));
  }
});

test("every type the engine computes is read, with its size in bytes", async () => {
  const bytesOf256: Record<string, number> = {
    F32: 1024,
    F16: 512,
    BF16: 512,
    Q8_0: 272,
    Q4_0: 144,
    Q4_1: 160,
    Q5_0: 176,
    Q5_1: 192,
    Q4_K: 144,
    Q5_K: 176,
    Q6_K: 210,
  };
  const spec = tinyBert();
  const wide = 256;
  const resized = spec.tensors.map((tensor): TensorSpec => {
    return { ...tensor, shape: tensor.shape.map((size) => (size === 8 ? wide : size)) };
  });
  for (const [name, bytes] of Object.entries(bytesOf256)) {
    const data = new Uint8Array(bytes * 6);
    const tensors = withTensor({ ...spec, tensors: resized }, "token_embd.weight", {
      name: "token_embd.weight",
      shape: [wide, 6],
      type: TENSOR_TYPE_IDS[name]!,
      data,
    }).tensors;
    const model = await open(withKey({ ...spec, tensors }, "bert.embedding_length", u32(wide)));
    const tensor = model.tensors.find((each) => each.name === "token_embd.weight");
    expect(tensor).toMatchObject({ type: { name }, bytes: data.length, elements: wide * 6 });
  }
});

describe("names", () => {
  test("an embedded model is found by its name, any file by its path", async () => {
    const models = resolve(__dirname, "..", "..", "models");
    expect(await resolveModel("mini-embed")).toBe(join(models, "mini-embed.gguf"));
    writeFileSync(path, buildGguf(tinyBert()).bytes);
    expect(await resolveModel(path)).toBe(path);
  });

  test("what is neither is refused with the names there are", async () => {
    await expect(resolveModel("mini-embedd")).rejects.toMatchObject({
      code: "MODEL_FILE_NOT_FOUND",
      message: expect.stringContaining("mini-bert, mini-embed, mini-gpt2"),
    });
  });

  test("a folder is refused with a hint", async () => {
    await expect(resolveModel(folder)).rejects.toThrow(/folder.*convert/);
    await expect(resolveModel("/dev/null")).rejects.toMatchObject({ code: "MODEL_FILE_INVALID" });
  });
});

test.each(["mini-bert", "mini-embed", "mini-gpt2"])("the embedded model %s is sound", async (name) => {
  const model = await openModelFile(name);
  expect(model.name).toBe(name);
  expect(model.metadata.get("tokenizer.huggingface.json")).toBeInstanceOf(LongText);
});
