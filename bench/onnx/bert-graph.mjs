// BERT as a graph of the fused operators that ONNX Runtime has for it, over weights in a file of their own.
//   fp32: EmbedLayerNormalization, Attention, MatMul, BiasGelu, SkipLayerNormalization
//   int8: QAttention and DynamicQuantizeMatMul, with one activation scale per tensor, found as it runs
// (A product of its own and MultiHeadAttention instead of Attention is as fast in fp32 and slower in int8.)
import { DATA_TYPE, float, GraphBuilder } from "./schema.mjs";

const { FLOAT, INT8, INT32, INT64 } = DATA_TYPE;
const EPSILON = { epsilon: float(1e-12) };

/**
 * The bytes of a graph for `shape` over the `constants` in the file `location`.
 *   type     "fp32" or "int8"
 *   padding  whether texts of one batch may differ in length
 *   pooled   true: `ids` [B, S] int32 and, with padding, `lengths` [B] int32 and `pool` [B, 1, S] in, mean vectors
 *            out; false: the inputs and the output that Hugging Face's exports have, but for the segments
 */
export function bertGraph(shape, { type, padding, pooled }, constants, location) {
  const graph = new GraphBuilder();
  for (const constant of constants) graph.external({ ...constant, location });
  const { ids, lengths } = inputs(graph, { padding, pooled });
  const layers = { graph, shape, type, lengths };
  let x = embed(layers, ids);
  for (let i = 0; i < shape.L; i++) {
    x = addNorm(layers, x, attend(layers, i, x), `blk.${i}.attn_output_norm`);
    x = addNorm(layers, x, feedForward(layers, i, x), `blk.${i}.layer_output_norm`);
  }
  output(graph, x, shape, { padding, pooled });
  return graph.encode("bert");
}

function inputs(graph, { padding, pooled }) {
  if (pooled) {
    const ids = graph.input("ids", INT32, ["B", "S"]);
    return { ids, lengths: padding ? graph.input("lengths", INT32, ["B"]) : "" };
  }
  const [ids] = graph.add("Cast", [graph.input("input_ids", INT64, ["B", "S"])], { to: INT32 });
  const mask = graph.input("attention_mask", INT64, ["B", "S"]);
  const axes = graph.constant("axes", INT64, [1], BigInt64Array.of(1n));
  const [count] = graph.add("ReduceSum", [mask, axes], { keepdims: 0 });
  const [lengths] = graph.add("Cast", [count], { to: INT32 });
  return { ids, lengths };
}

function output(graph, x, { H }, { padding, pooled }) {
  if (!pooled) {
    const [last] = graph.add("Identity", [x], {}, { outputs: ["last_hidden_state"] });
    graph.output(last, FLOAT, ["B", "S", H]);
    return;
  }
  const [mean] = padding
    ? graph.add("MatMul", [graph.input("pool", FLOAT, ["B", 1, "S"]), x])
    : graph.add("ReduceMean", [x], { axes: [1], keepdims: 1 });
  graph.output(mean, FLOAT, ["B", 1, H]);
}

/** [B, S] to [B, S, H] */
function embed({ graph, type }, ids) {
  const table = "token_embd.weight";
  const position = "position_embd.weight";
  const norm = ["token_embd_norm.weight", "token_embd_norm.bias"];
  if (type === "fp32") {
    return graph.fused("EmbedLayerNormalization", [ids, "", table, position, "", ...norm], EPSILON, 2);
  }
  const [rows] = graph.add("Gather", [table, ids]);
  const [floats] = graph.add("Cast", [rows], { to: FLOAT });
  const [scales] = graph.add("Gather", ["token_embd.scale", ids]);
  const [tokens] = graph.add("Mul", [floats, scales]);
  const [size] = graph.add("Shape", [ids], { start: 1, end: 2 });
  const zero = graph.constant("zero", INT64, [1], BigInt64Array.of(0n));
  const [positions] = graph.add("Slice", [position, zero, size]);
  const [sum] = graph.add("Add", [tokens, positions]);
  return graph.add("LayerNormalization", [sum, ...norm], { axis: -1, ...EPSILON })[0];
}

/** The heads' results, projected: [B, S, H] to [B, S, H] */
function attend({ graph, shape, type, lengths }, i, x) {
  const qkv = `blk.${i}.attn_qkv`;
  const heads = { num_heads: shape.A };
  if (type === "fp32") {
    const mixed = graph.fused("Attention", trimmed([x, `${qkv}.weight`, `${qkv}.bias`, lengths]), heads);
    return product({ graph, type }, mixed, `blk.${i}.attn_output`);
  }
  const [quantized, scale, zero] = graph.add("DynamicQuantizeLinear", [x], {}, { outputs: 3 });
  const weight = [`${qkv}.weight`, `${qkv}.bias`, scale, `${qkv}.scale`];
  const weightZero = graph.constant(`${qkv}.zero`, INT8, [3 * shape.H], new Int8Array(3 * shape.H));
  const mixed = graph.fused("QAttention", [quantized, ...weight, lengths, zero, weightZero], heads);
  return product({ graph, type }, mixed, `blk.${i}.attn_output`);
}

function feedForward({ graph, type }, i, x) {
  const up = `blk.${i}.ffn_up`;
  const inner =
    type === "fp32"
      ? graph.fused("BiasGelu", [graph.add("MatMul", [x, `${up}.weight`])[0], `${up}.bias`])
      : graph.fused("Gelu", [quantizedProduct(graph, x, up)]);
  return product({ graph, type }, inner, `blk.${i}.ffn_down`);
}

/** A product, and the bias that is still to be added, if any. */
function product({ graph, type }, x, name) {
  if (type === "int8") return { value: quantizedProduct(graph, x, name), bias: "" };
  return { value: graph.add("MatMul", [x, `${name}.weight`])[0], bias: `${name}.bias` };
}

function quantizedProduct(graph, x, name) {
  const weight = [`${name}.weight`, `${name}.scale`, "", `${name}.bias`];
  return graph.fused("DynamicQuantizeMatMul", [x, ...weight]);
}

function addNorm({ graph }, x, { value, bias }, norm) {
  const inputs = [value, x, `${norm}.weight`, `${norm}.bias`, bias];
  return graph.fused("SkipLayerNormalization", trimmed(inputs), EPSILON);
}

/** Without the absent inputs at the end. */
function trimmed(inputs) {
  const last = inputs.findLastIndex((name) => name !== "");
  return inputs.slice(0, last + 1);
}
