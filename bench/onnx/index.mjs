// The random-weight BERTs as ONNX models in cache/: one folder per model and type, with the weights in one file and
// a small graph per way of using them.
import fs from "node:fs";
import path from "node:path";
import { CACHE, donorKeys } from "../models.mjs";
import { SHAPES } from "../weights.mjs";
import { bertGraph } from "./bert-graph.mjs";
import { writeWeights } from "./data.mjs";

/** Part of each folder's name: raise it when what is written changes. */
const FORMAT = 1;
const GRAPHS = { "equal.onnx": false, "padded.onnx": true };
/** What @huggingface/transformers calls the files of each type. */
const HUB_NAME = { fp32: "model.onnx", int8: "model_quantized.onnx" };

/** The folder of `model` in `type`, "fp32" or "int8"; written when it is not there yet. */
export async function onnxModel(model, type) {
  const folder = path.join(CACHE, "onnx", `${model}-${type}-${FORMAT}`);
  const done = path.join(folder, "tokenizer.json");
  if (fs.existsSync(done)) return folder;
  console.error(`writing ${path.relative(process.cwd(), folder)}`);
  fs.mkdirSync(path.join(folder, "onnx"), { recursive: true });
  const hub = path.join(folder, "onnx", HUB_NAME[type]);
  const data = `${path.basename(hub)}_data`;
  const constants = writeWeights(path.join(folder, "onnx", data), model, type);
  const graph = (file, options) => {
    fs.writeFileSync(file, bertGraph(SHAPES[model], { type, ...options }, constants, data));
  };
  graph(hub, { padding: true, pooled: false });
  for (const [name, padding] of Object.entries(GRAPHS)) {
    graph(path.join(folder, "onnx", name), { padding, pooled: true });
  }
  await writeHubFiles(folder, SHAPES[model], done);
  return folder;
}

/** The graph in `folder` for batches whose texts are of one length, or are padded. */
export function onnxGraph(folder, padding) {
  return path.join(folder, "onnx", padding ? "padded.onnx" : "equal.onnx");
}

async function writeHubFiles(folder, { L, H, A, F, V, context }, done) {
  const write = (name, value) => fs.writeFileSync(path.join(folder, name), JSON.stringify(value));
  write("config.json", {
    model_type: "bert",
    architectures: ["BertModel"],
    num_hidden_layers: L,
    hidden_size: H,
    num_attention_heads: A,
    intermediate_size: F,
    vocab_size: V,
    max_position_embeddings: context,
    type_vocab_size: 2,
    hidden_act: "gelu",
    layer_norm_eps: 1e-12,
  });
  write("tokenizer_config.json", {
    tokenizer_class: "BertTokenizer",
    model_max_length: context,
    do_lower_case: true,
    unk_token: "[UNK]",
    sep_token: "[SEP]",
    pad_token: "[PAD]",
    cls_token: "[CLS]",
    mask_token: "[MASK]",
  });
  const { value } = (await donorKeys("bert")).get("tokenizer.huggingface.json");
  fs.writeFileSync(done, String(value));
}
