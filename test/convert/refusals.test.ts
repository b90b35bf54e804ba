/** Checkpoints and arguments that `convert` refuses, by name. */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { convert } from "../../lib/convert/index.js";
import { writeRandomBert, writeRandomGpt2 } from "../support/random-models.js";
import { writeSafetensors } from "../support/safetensors.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const folder = temporaryFolder();
let number = 0;
/** A new folder name for each model. */
const fresh = () => join(folder, `model-${number++}`);
const out = () => join(folder, `out-${number}.gguf`);

describe("what cannot be converted is named", () => {
  type Change = { config?: Record<string, unknown>; remove?: string; write?: [file: string, text: string] };
  const cases: [what: string, change: Change, expected: { code?: string; field: string }][] = [
    [
      "another architecture",
      { config: { architectures: ["DebertaModel"] } },
      { code: "UNSUPPORTED", field: "architectures" },
    ],
    [
      "no architecture of a known type",
      { config: { architectures: null, model_type: "llama" } },
      { code: "UNSUPPORTED", field: "architectures" },
    ],
    [
      "relative positions",
      { config: { position_embedding_type: "relative_key" } },
      { code: "UNSUPPORTED", field: "config.json: position_embedding_type" },
    ],
    [
      "a decoder",
      { config: { is_decoder: true } },
      { code: "UNSUPPORTED", field: "config.json: is_decoder" },
    ],
    [
      "ALiBi, as in jina's models",
      { config: { position_embedding_type: "alibi" } },
      { code: "UNSUPPORTED", field: "config.json: position_embedding_type" },
    ],
    [
      "pruned heads",
      { config: { pruned_heads: { 0: [1] } } },
      { code: "UNSUPPORTED", field: "config.json: pruned_heads" },
    ],
    ["an activation", { config: { hidden_act: "quick_gelu" } }, { code: "UNSUPPORTED", field: "hidden_act" }],
    ["a size that is a string", { config: { hidden_size: "32" } }, { field: "hidden_size" }],
    ["heads that do not divide", { config: { num_attention_heads: 5 } }, { field: "num_attention_heads" }],
    ["an epsilon of zero", { config: { layer_norm_eps: 0 } }, { field: "layer_norm_eps" }],
    [
      "a vocabulary of another size",
      { config: { vocab_size: 401 } },
      { field: "embeddings.word_embeddings.weight" },
    ],
    [
      "a layer too many in the configuration",
      { config: { num_hidden_layers: 2 } },
      { field: "encoder.layer.1.attention.self.query.weight" },
    ],
    [
      "a layer too few in the configuration",
      { config: { num_hidden_layers: 0 } },
      { field: "num_hidden_layers" },
    ],
    ["no configuration", { remove: "config.json" }, { code: "MODEL_FILE_NOT_FOUND", field: "config.json" }],
    [
      "no weights",
      { remove: "model.safetensors" },
      { code: "MODEL_FILE_NOT_FOUND", field: "model.safetensors" },
    ],
    ["no tokenizer", { remove: "tokenizer.json" }, { code: "MODEL_FILE_NOT_FOUND", field: "tokenizer.json" }],
    ["a configuration that is no JSON", { write: ["config.json", "{"] }, { field: "JSON" }],
    ["a configuration that is no object", { write: ["config.json", "[]"] }, { field: "config.json" }],
    [
      "a tokenizer of another kind",
      { write: ["tokenizer.json", '{"model":{"type":"WordLevel","vocab":{}}}'] },
      { code: "UNSUPPORTED", field: "model.type" },
    ],
    [
      "a piece without a score",
      { write: ["tokenizer.json", '{"model":{"type":"Unigram","vocab":[["a",0],["b"]]}}'] },
      { code: "TOKENIZER_INVALID", field: "model.vocab[1][1]" },
    ],
    [
      "a BPE that is not byte-level",
      { write: ["tokenizer.json", '{"model":{"type":"BPE","vocab":{},"merges":[]}}'] },
      { code: "UNSUPPORTED", field: "model.type" },
    ],
    [
      "a tokenizer without model",
      { write: ["tokenizer.json", "{}"] },
      { code: "TOKENIZER_INVALID", field: "model" },
    ],
    [
      "a token id that is no number",
      { write: ["tokenizer.json", '{"model":{"type":"WordPiece","vocab":{"a":"b"}}}'] },
      { code: "TOKENIZER_INVALID", field: "model.vocab" },
    ],
    [
      "a token id of 2^31",
      { write: ["tokenizer.json", '{"model":{"type":"WordPiece","vocab":{"a":2147483648}}}'] },
      { code: "TOKENIZER_INVALID", field: "model.vocab" },
    ],
    [
      "two tokens of one id",
      { write: ["tokenizer.json", '{"model":{"type":"WordPiece","vocab":{"a":1,"b":1}}}'] },
      { code: "TOKENIZER_INVALID", field: "model.vocab" },
    ],
  ];

  test.each(cases)("%s", async (_what, { config, remove, write }, { code = "MODEL_FILE_INVALID", field }) => {
    const dir = fresh();
    const model = await writeRandomBert(dir, { architecture: "BertModel", hidden: 32, layers: 1 });
    writeFileSync(join(dir, "config.json"), JSON.stringify({ ...model.config, ...config }));
    if (remove) rmSync(join(dir, remove));
    if (write) writeFileSync(join(dir, write[0]), write[1]);
    await expect(convert(dir, out())).rejects.toMatchObject({ code, details: { field } });
    expect(existsSync(out())).toBe(false);
  });

  test("a classifier whose problem type nobody knows", async () => {
    const architecture = "BertForSequenceClassification";
    const config = { problem_type: "guess" };
    const { dir } = await writeRandomBert(fresh(), { architecture, config, hidden: 32, layers: 1 });
    const call = convert(dir, out());
    await expect(call).rejects.toThrow(/one of regression, .* for problem_type but found "guess"/);
    await expect(call).rejects.toMatchObject({ details: { field: "problem_type" } });
  });

  test("a tensor nobody knows, unless it may be left out", async () => {
    const model = await writeRandomBert(fresh(), { architecture: "BertModel", hidden: 32, layers: 1 });
    const stored = [...model.weights].map(([name, { shape, data }]) => {
      return { name, shape, write: (target: Float32Array) => target.set(data) };
    });
    const foreign = { name: "adapter.down.weight", shape: [2, 2], write: () => {} };
    await writeSafetensors(join(model.dir, "model.safetensors"), [...stored, foreign], "F32");
    await expect(convert(model.dir, out())).rejects.toMatchObject({
      code: "UNSUPPORTED",
      details: { unknown: ["adapter.down.weight"] },
    });
    const result = await convert(model.dir, out(), { ignoreUnknown: true });
    expect(result.tensors).toHaveLength(model.weights.size);
  });

  test("a checkpoint in another format, with what to do", async () => {
    const { dir } = await writeRandomBert(fresh(), { hidden: 32, layers: 1 });
    rmSync(join(dir, "model.safetensors"));
    writeFileSync(join(dir, "pytorch_model.bin"), "");
    await expect(convert(dir, out())).rejects.toThrow(/pytorch_model\.bin.*safe_serialization/);
  });

  test("GPT-2 with cross-attention, and sentence-transformers around it", async () => {
    const crossed = await writeRandomGpt2(fresh(), { hidden: 24, config: { add_cross_attention: true } });
    await expect(convert(crossed.dir, out())).rejects.toMatchObject({ code: "UNSUPPORTED" });
    const headless = await writeRandomGpt2(fresh(), { hidden: 24, config: { tie_word_embeddings: false } });
    await expect(convert(headless.dir, out())).rejects.toMatchObject({
      details: { field: "lm_head.weight" },
    });
  });

  test("arguments and options", async () => {
    const { dir } = await writeRandomBert(fresh(), { hidden: 32, layers: 1 });
    const convertAny = convert as (...args: unknown[]) => Promise<unknown>;
    await expect(convertAny(1, out())).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(convertAny(dir, "")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(convertAny(dir, out(), { type: "Q4_0_4_4" })).rejects.toThrow(/"Q8_0".*Q4_0_4_4/);
    await expect(convertAny(dir, out(), { tpye: "F16" })).rejects.toThrow("tpye");
  });
});
