/**
 * Hugging Face checkpoints and GGUF files as the reference's weights, read without the converter: names and
 * transpositions are written down a second time here.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readGguf } from "../../lib/gguf/reader.js";
import { native, runTask, type TensorType } from "../../lib/native.js";
import type { ReferenceTensor, ReferenceWeights } from "../reference/arithmetic.js";

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** Every tensor of `model.safetensors`, with its shape turned to innermost first. */
function readSafetensors(folder: string): Map<string, ReferenceTensor> {
  const bytes = readFileSync(join(folder, "model.safetensors"));
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + headerLength)) as Record<string, Entry>;
  const tensors = new Map<string, ReferenceTensor>();
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [begin, end] = offsets.map((offset) => offset + 8 + headerLength) as [number, number];
    const data = Uint8Array.from(bytes.subarray(begin, end)).buffer;
    const values = dtype === "F16" ? Array.from(new Uint16Array(data), half) : new Float32Array(data);
    tensors.set(name, { shape: shape.toReversed(), data: Float64Array.from(values) });
  }
  return tensors;
}

/** IEEE 754 binary16. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Infinity;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

const LINEAR = ["weight", "bias"];

/** The weights of a BERT checkpoint under the names of GGUF. */
export function bertWeights(folder: string): ReferenceWeights {
  const tensors = readSafetensors(folder);
  const prefix = tensors.has("bert.embeddings.LayerNorm.weight") ? "bert." : "";
  const weights = new Map<string, ReferenceTensor>();
  const take = (from: string, to: string) => {
    const tensor = tensors.get(from);
    if (tensor) weights.set(to, tensor);
  };
  const takeBoth = (from: string, to: string) => {
    for (const part of LINEAR) take(`${from}.${part}`, `${to}.${part}`);
  };
  const embeddings = `${prefix}embeddings`;
  take(`${embeddings}.word_embeddings.weight`, "token_embd.weight");
  take(`${embeddings}.position_embeddings.weight`, "position_embd.weight");
  take(`${embeddings}.token_type_embeddings.weight`, "token_types.weight");
  takeBoth(`${embeddings}.LayerNorm`, "token_embd_norm");
  for (let i = 0; tensors.has(`${prefix}encoder.layer.${i}.output.dense.weight`); i++) {
    const [layer, block] = [`${prefix}encoder.layer.${i}`, `blk.${i}`];
    takeBoth(`${layer}.attention.self.query`, `${block}.attn_q`);
    takeBoth(`${layer}.attention.self.key`, `${block}.attn_k`);
    takeBoth(`${layer}.attention.self.value`, `${block}.attn_v`);
    takeBoth(`${layer}.attention.output.dense`, `${block}.attn_output`);
    takeBoth(`${layer}.attention.output.LayerNorm`, `${block}.attn_output_norm`);
    takeBoth(`${layer}.intermediate.dense`, `${block}.ffn_up`);
    takeBoth(`${layer}.output.dense`, `${block}.ffn_down`);
    takeBoth(`${layer}.output.LayerNorm`, `${block}.layer_output_norm`);
  }
  takeBoth(`${prefix}pooler.dense`, "cls");
  takeBoth("cls.predictions.transform.dense", "mlm.transform");
  takeBoth("cls.predictions.transform.LayerNorm", "mlm.transform_norm");
  take("cls.predictions.bias", "mlm.output.bias");
  takeBoth("cls.seq_relationship", "nsp");
  takeBoth("qa_outputs", "qa");
  // A classifier of sequences stands on a pooler, which one of tokens has not.
  takeBoth("classifier", weights.has("cls.weight") ? "cls.output" : "token_cls");
  return weights;
}

/** The weights of a GPT-2 checkpoint under the names of GGUF. Its matrices lie the other way round. */
export function gpt2Weights(folder: string): ReferenceWeights {
  const tensors = readSafetensors(folder);
  const prefix = tensors.has("transformer.wte.weight") ? "transformer." : "";
  const weights = new Map<string, ReferenceTensor>();
  const take = (from: string, to: string) => weights.set(to, tensors.get(prefix + from)!);
  const takeNorm = (from: string, to: string) => {
    for (const part of LINEAR) take(`${from}.${part}`, `${to}.${part}`);
  };
  const takeConv1d = (from: string, to: string) => {
    weights.set(`${to}.weight`, transposed(tensors.get(`${prefix}${from}.weight`)!));
    take(`${from}.bias`, `${to}.bias`);
  };
  take("wte.weight", "token_embd.weight");
  take("wpe.weight", "position_embd.weight");
  for (let i = 0; tensors.has(`${prefix}h.${i}.ln_1.weight`); i++) {
    const [layer, block] = [`h.${i}`, `blk.${i}`];
    takeNorm(`${layer}.ln_1`, `${block}.attn_norm`);
    takeConv1d(`${layer}.attn.c_attn`, `${block}.attn_qkv`);
    takeConv1d(`${layer}.attn.c_proj`, `${block}.attn_output`);
    takeNorm(`${layer}.ln_2`, `${block}.ffn_norm`);
    takeConv1d(`${layer}.mlp.c_fc`, `${block}.ffn_up`);
    takeConv1d(`${layer}.mlp.c_proj`, `${block}.ffn_down`);
  }
  takeNorm("ln_f", "output_norm");
  if (tensors.has("score.weight")) weights.set("score.weight", tensors.get("score.weight")!);
  return weights;
}

function transposed({ shape, data }: ReferenceTensor): ReferenceTensor {
  const [outputs, inputs] = shape as [number, number];
  const out = new Float64Array(data.length);
  for (let i = 0; i < inputs; i++) {
    for (let o = 0; o < outputs; o++) out[o * inputs + i] = data[i * outputs + o]!;
  }
  return { shape: [inputs, outputs], data: out };
}

/** The weights of a GGUF file, dequantized. */
export async function ggufWeights(path: string): Promise<ReferenceWeights> {
  const bytes = readFileSync(path);
  const weights = new Map<string, ReferenceTensor>();
  for (const { name, type, shape, offset, bytes: size } of (await readGguf(path)).tensors) {
    const data = Uint8Array.from(bytes.subarray(offset, offset + size));
    const values = await runTask(() => native().dequantizeRows(type.name as TensorType, data, shape[0]!));
    weights.set(name, { shape, data: Float64Array.from(values) });
  }
  return weights;
}

/** Shapes of the three default models. */
export const MINI_BERT = { H: 256, A: 4, L: 4, epsilon: 1e-12, activation: "gelu" } as const;
export const MINI_GPT2 = {
  H: 256,
  A: 4,
  L: 4,
  epsilon: 1e-5,
  activation: "gelu_new",
  scaleAttention: true,
  scaleAttentionByInverseLayer: false,
} as const;
