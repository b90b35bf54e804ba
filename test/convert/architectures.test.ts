/** Checkpoints of BERT's kin: what every class becomes, and what is refused by its name. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { convert } from "../../lib/convert/index.js";
import { Encoder } from "../../lib/index.js";
import { openModelFile, type EncoderFile } from "../../lib/model-file.js";
import { floats, parseGguf } from "../support/gguf-bytes.js";
import { writeRandomEncoder, type Family, type RandomEncoderOptions } from "../support/random-encoders.js";
import { writeSafetensors } from "../support/safetensors.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const folder = temporaryFolder();
let number = 0;
const fresh = () => join(folder, `model-${number++}`);
const out = () => join(folder, `out-${number}.gguf`);

const SMALL = { hidden: 32, heads: 2, layers: 2, embedding: 16 };

/** Writes and converts a checkpoint; returns what loading would read from the file. */
async function converted(options: RandomEncoderOptions) {
  const model = await writeRandomEncoder(fresh(), { ...SMALL, ...options });
  const { architecture } = await convert(model.dir, out());
  const file = (await openModelFile(out())) as EncoderFile;
  expect(file.architecture).toBe(architecture);
  return { model, file, parsed: parseGguf(readFileSync(out())) };
}

const KINDS: Readonly<Record<Family, string>> = {
  roberta: "bert",
  distilbert: "bert",
  electra: "electra",
  albert: "albert",
  mpnet: "mpnet",
  modernbert: "modern-bert",
};

const NONE = { pooler: false, mlm: false, sequenceLabels: 0, tokenLabels: 0, questionAnswering: false };
const POOLER = { ...NONE, pooler: true };
const MASKED = { ...NONE, mlm: true };
const SEQUENCE = { ...POOLER, sequenceLabels: 3 };
const TOKEN = { ...NONE, tokenLabels: 3 };
const QUESTION = { ...NONE, questionAnswering: true };

const CLASSES: readonly [Family, string, Partial<EncoderFile["heads"]>][] = [
  ...["Roberta", "XLMRoberta", "Camembert"].flatMap((name): [Family, string, typeof NONE][] => [
    ["roberta", `${name}Model`, POOLER],
    ["roberta", `${name}ForMaskedLM`, MASKED],
    ["roberta", `${name}ForSequenceClassification`, SEQUENCE],
    ["roberta", `${name}ForTokenClassification`, TOKEN],
    ["roberta", `${name}ForQuestionAnswering`, QUESTION],
  ]),
  ["distilbert", "DistilBertModel", NONE],
  ["distilbert", "DistilBertForMaskedLM", MASKED],
  ["distilbert", "DistilBertForSequenceClassification", SEQUENCE],
  ["distilbert", "DistilBertForTokenClassification", TOKEN],
  ["distilbert", "DistilBertForQuestionAnswering", QUESTION],
  ["electra", "ElectraModel", NONE],
  ["electra", "ElectraForPreTraining", NONE],
  ["electra", "ElectraForMaskedLM", MASKED],
  ["electra", "ElectraForSequenceClassification", SEQUENCE],
  ["electra", "ElectraForTokenClassification", TOKEN],
  ["electra", "ElectraForQuestionAnswering", QUESTION],
  ["albert", "AlbertModel", POOLER],
  ["albert", "AlbertForPreTraining", { ...POOLER, mlm: true }],
  ["albert", "AlbertForMaskedLM", MASKED],
  ["albert", "AlbertForSequenceClassification", SEQUENCE],
  ["albert", "AlbertForTokenClassification", TOKEN],
  ["albert", "AlbertForQuestionAnswering", QUESTION],
  ["mpnet", "MPNetModel", POOLER],
  ["mpnet", "MPNetForMaskedLM", MASKED],
  ["mpnet", "MPNetForSequenceClassification", SEQUENCE],
  ["mpnet", "MPNetForTokenClassification", TOKEN],
  ["mpnet", "MPNetForQuestionAnswering", QUESTION],
  ["modernbert", "ModernBertModel", NONE],
  ["modernbert", "ModernBertForMaskedLM", MASKED],
];

describe("every class", () => {
  it.each(CLASSES)("%s: %s keeps every tensor", async (family, architecture, heads) => {
    const { model, file, parsed } = await converted({ family, architecture });
    expect(file.architecture).toBe(KINDS[family]);
    expect(file.heads).toMatchObject(heads);
    expect(parsed.tensors.size).toBe(model.weights.size);
    const labels = heads.sequenceLabels || heads.tokenLabels ? ["label 0", "label 1", "label 2"] : [];
    expect(file.labels).toEqual(labels);
  });

  it.each([
    ["roberta", "roberta", "RobertaModel"],
    ["xlm-roberta", "roberta", "RobertaModel"],
    ["camembert", "roberta", "RobertaModel"],
    ["distilbert", "distilbert", "DistilBertModel"],
    ["electra", "electra", "ElectraModel"],
    ["albert", "albert", "AlbertModel"],
    ["mpnet", "mpnet", "MPNetModel"],
    ["modernbert", "modernbert", "ModernBertModel"],
  ] satisfies [string, Family, string][])(
    "%s is known by its model_type",
    async (modelType, family, architecture) => {
      const config = { architectures: null, model_type: modelType };
      const { file } = await converted({ family, architecture, config });
      expect(file.architecture).toBe(KINDS[family]);
    },
  );

  it("sequence classifiers say what their hidden layer applies", async () => {
    for (const [family, architecture, activation] of [
      ["roberta", "RobertaForSequenceClassification", "tanh"],
      ["distilbert", "DistilBertForSequenceClassification", "relu"],
      ["electra", "ElectraForSequenceClassification", "gelu"],
      ["albert", "AlbertForSequenceClassification", "tanh"],
      ["mpnet", "MPNetForSequenceClassification", "tanh"],
    ] satisfies [Family, string, string][]) {
      const { file } = await converted({ family, architecture });
      expect(file.hyperparameters, architecture).toMatchObject({ poolerActivation: activation });
    }
  });
});

describe("positions that are never used", () => {
  it.each([
    ["roberta", "RobertaModel", "F32", 2],
    ["roberta", "RobertaModel", "F16", 2],
    ["mpnet", "MPNetModel", "BF16", 2],
  ] satisfies [Family, string, "F32" | "F16" | "BF16", number][])(
    "%s: %s in %s leaves out the first rows",
    async (family, architecture, dtype, offset) => {
      const { model, file, parsed } = await converted({ family, architecture, dtype, positions: 23 });
      const written = parsed.tensors.get("position_embd.weight")!;
      expect(file.hyperparameters.contextLength).toBe(23 - offset);
      expect(written.shape).toEqual([32, 23 - offset]);
      const source = model.weights.get("embeddings.position_embeddings.weight")!.data;
      const kept = [...floats(written.data)];
      expect(kept).toHaveLength((23 - offset) * 32);
      for (const [i, value] of kept.entries()) {
        // What 16 bits keep: 8 of them at least.
        const error = Math.abs(value - source[i + offset * 32]!);
        expect(error).toBeLessThanOrEqual(dtype === "F32" ? 0 : Math.abs(value) / 128 + 1e-6);
      }
    },
  );

  it("a padding token beyond the positions is refused", async () => {
    const config = { pad_token_id: 39 };
    const options = { family: "roberta", architecture: "RobertaModel", config } as const;
    await expect(converted(options)).rejects.toMatchObject({ details: { field: "pad_token_id" } });
  });
});

describe("what the graphs do not compute is refused by name", () => {
  const cases: [Family, string, Record<string, unknown>, string][] = [
    [
      "roberta",
      "RobertaModel",
      { position_embedding_type: "relative_key" },
      "config.json: position_embedding_type",
    ],
    ["roberta", "RobertaModel", { is_decoder: true }, "config.json: is_decoder"],
    ["roberta", "RobertaModel", { hidden_act: "quick_gelu" }, "hidden_act"],
    ["roberta", "RobertaForMaskedLM", { hidden_act: "relu" }, "hidden_act (with a masked-token head)"],
    ["roberta", "RobertaForCausalLM", {}, "architectures"],
    ["roberta", "RobertaForMultipleChoice", {}, "architectures"],
    ["distilbert", "DistilBertModel", { activation: "mish" }, "activation"],
    ["electra", "ElectraModel", { add_cross_attention: true }, "config.json: add_cross_attention"],
    ["albert", "AlbertModel", { inner_group_num: 2 }, "inner_group_num"],
    ["albert", "AlbertModel", { hidden_act: "gelu_10" }, "hidden_act"],
    ["mpnet", "MPNetModel", { relative_attention_num_buckets: 64 }, "relative_attention_num_buckets"],
    ["mpnet", "MPNetForMaskedLM", { hidden_act: "gelu_new" }, "hidden_act (with a masked-token head)"],
    ["modernbert", "ModernBertModel", { norm_bias: true }, "norm_bias"],
    ["modernbert", "ModernBertModel", { attention_bias: true }, "attention_bias"],
    ["modernbert", "ModernBertModel", { mlp_bias: true }, "mlp_bias"],
    ["modernbert", "ModernBertModel", { rope_scaling: { type: "yarn" } }, "rope_scaling"],
    [
      "modernbert",
      "ModernBertModel",
      { layer_types: ["sliding_attention", "full_attention"] },
      "layer_types",
    ],
    [
      "modernbert",
      "ModernBertModel",
      { rope_parameters: { full_attention: { rope_type: "yarn", rope_theta: 1e4 } } },
      "rope_parameters.full_attention.rope_type",
    ],
    ["modernbert", "ModernBertForMaskedLM", { classifier_activation: "relu" }, "classifier_activation"],
    ["modernbert", "ModernBertForMaskedLM", { classifier_bias: true }, "classifier_bias"],
    ["modernbert", "ModernBertForMaskedLM", { decoder_bias: false }, "decoder_bias"],
    ["modernbert", "ModernBertForMultipleChoice", {}, "architectures"],
    [
      "modernbert",
      "ModernBertForSequenceClassification",
      { classifier_pooling: "max" },
      "classifier_pooling",
    ],
  ];

  it.each(cases)("%s: %s with %j", async (family, architecture, config, field) => {
    await expect(converted({ family, architecture, config })).rejects.toMatchObject({
      code: "UNSUPPORTED",
      details: { field },
    });
  });

  const invalid: [Family, string, Record<string, unknown>, string][] = [
    ["distilbert", "DistilBertModel", { dim: "wide" }, "dim"],
    ["distilbert", "DistilBertModel", { n_heads: 5 }, "n_heads"],
    ["electra", "ElectraModel", { embedding_size: 0 }, "embedding_size"],
    ["albert", "AlbertModel", { num_hidden_groups: 3 }, "num_hidden_groups"],
    ["mpnet", "MPNetModel", { max_position_embeddings: 2 }, "max_position_embeddings"],
    ["modernbert", "ModernBertModel", { num_attention_heads: 32 }, "num_attention_heads"],
    ["modernbert", "ModernBertModel", { global_rope_theta: 0 }, "global_rope_theta"],
    ["modernbert", "ModernBertModel", { local_attention: -1 }, "local_attention"],
  ];

  it.each(invalid)("%s: %s is invalid with %j", async (family, architecture, config, field) => {
    await expect(converted({ family, architecture, config })).rejects.toMatchObject({
      code: "MODEL_FILE_INVALID",
      details: { field },
    });
  });

  it.each(CLASSES.filter(([, name]) => /Model$|MaskedLM$/.test(name) && !/XLM|Camem/.test(name)))(
    "%s: %s without any one of its tensors",
    async (family, architecture) => {
      const model = await writeRandomEncoder(fresh(), { ...SMALL, layers: 1, family, architecture });
      // A pooler may be missing, and its bias alone may not.
      const needed = [...model.weights.keys()].filter((name) => !/pooler.*weight$/.test(name));
      for (const missing of needed) {
        const kept = [...model.weights].filter(([name]) => name !== missing);
        const tensors = kept.map(([name, { shape, data }]) => {
          return { name, shape, write: (target: Float32Array) => target.set(data) };
        });
        await writeSafetensors(join(model.dir, "model.safetensors"), tensors, "F32");
        await expect(convert(model.dir, out()), missing).rejects.toMatchObject({
          code: "MODEL_FILE_INVALID",
        });
      }
    },
  );
});

describe("newer configurations of ModernBERT", () => {
  it("say the same in layer_types and rope_parameters", async () => {
    const config = {
      layer_types: ["full_attention", "sliding_attention"],
      rope_parameters: {
        full_attention: { rope_type: "default", rope_theta: 80_000 },
        sliding_attention: { rope_type: "default", rope_theta: 7_000 },
      },
      global_rope_theta: undefined,
      local_rope_theta: undefined,
    };
    const { file } = await converted({ family: "modernbert", architecture: "ModernBertModel", config });
    expect(file.hyperparameters).toMatchObject({
      globalEvery: 3,
      localReach: 4,
      globalRopeBase: 80_000,
      localRopeBase: 7_000,
    });
  });
});

describe("through the public API", () => {
  it.each(CLASSES.filter(([, name]) => name.endsWith("MaskedLM")))("%s: %s", async (family, architecture) => {
    const model = await writeRandomEncoder(fresh(), { ...SMALL, family, architecture });
    await convert(model.dir, out());
    await using encoder = await Encoder.load(out());
    expect(encoder.info).toMatchObject({ architecture: KINDS[family], heads: { mlm: true } });
    const [a, b] = await encoder.embed(["some words", "other words, and more of them"]);
    expect(a).toHaveLength(32);
    expect(await encoder.embed("some words")).toEqual(a);
    expect(a).not.toEqual(b);
    const pair = await encoder.encode({ text: "some words", pair: "other words" });
    const numbered =
      encoder.info.segmentCount > 1
        ? encoder.tokenizer.encode("some words", { pair: "other words" }).typeIds
        : new Int32Array(pair.ids.length);
    expect(pair.segmentIds).toEqual(numbered);
    const byIds = await encoder.encode({ ids: pair.ids, segmentIds: numbered });
    expect(byIds.lastHiddenState).toEqual(pair.lastHiddenState);
    // The vocabulary made up for ModernBERT has no mask token.
    if (family === "modernbert") return;
    const { masks } = await encoder.fillMask("some [MASK] words", { topK: 4 });
    expect(masks).toHaveLength(1);
  });
});
