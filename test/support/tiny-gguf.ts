/** The smallest sound `bert` and `gpt2` files, to be broken by tests. */
import type { GgufSpec, MetaValue, TensorSpec } from "./gguf-bytes.js";

const H = 8;
const F = 16;
const V = 6;
const POSITIONS = 4;

const u32 = (value: number): MetaValue => ({ type: "u32", value });
const text = (value: string): MetaValue => ({ type: "string", value });

const linear = (name: string, width: number, rows: number): TensorSpec[] => [
  { name: `${name}.weight`, shape: [width, rows] },
  { name: `${name}.bias`, shape: [rows] },
];
const norm = (name: string): TensorSpec[] => [
  { name: `${name}.weight`, shape: [H] },
  { name: `${name}.bias`, shape: [H] },
];

/** One block, every head, llama.cpp's keys and ours. */
export function tinyBert(): GgufSpec {
  return {
    metadata: [
      ["general.architecture", text("bert")],
      ["general.name", text("tiny")],
      ["bert.block_count", u32(1)],
      ["bert.context_length", u32(POSITIONS)],
      ["bert.embedding_length", u32(H)],
      ["bert.feed_forward_length", u32(F)],
      ["bert.attention.head_count", u32(2)],
      ["bert.attention.layer_norm_epsilon", { type: "f32", value: 1e-12 }],
      ["bert.attention.causal", { type: "bool", value: false }],
      ["bert.hidden_activation", text("gelu")],
      ["bert.pooling_type", u32(1)],
      ["bert.classifier.output_labels", { type: "strings", value: ["no", "maybe", "yes"] }],
      ["sentence_transformers.pooling", text("mean")],
      ["sentence_transformers.normalize", { type: "bool", value: true }],
      ["sentence_transformers.max_seq_length", u32(3)],
      ["sentence_transformers.prompts", text('{"query":"q: "}')],
      ["sentence_transformers.default_prompt_name", text("query")],
      ["huggingface.config.json", text('{"position_embedding_type":"absolute"}')],
      ["tokenizer.ggml.model", text("bert")],
      [
        "tokenizer.ggml.tokens",
        { type: "strings", value: ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "▁a"] },
      ],
      ["tokenizer.ggml.token_type", { type: "i32s", value: [3, 3, 3, 3, 3, 1] }],
    ],
    tensors: [
      { name: "token_embd.weight", shape: [H, V] },
      { name: "position_embd.weight", shape: [H, POSITIONS] },
      { name: "token_types.weight", shape: [H, 2] },
      ...norm("token_embd_norm"),
      ...linear("blk.0.attn_q", H, H),
      ...linear("blk.0.attn_k", H, H),
      ...linear("blk.0.attn_v", H, H),
      ...linear("blk.0.attn_output", H, H),
      ...norm("blk.0.attn_output_norm"),
      ...linear("blk.0.ffn_up", H, F),
      ...linear("blk.0.ffn_down", F, H),
      ...norm("blk.0.layer_output_norm"),
      ...linear("cls", H, H),
      ...linear("cls.output", H, 3),
      ...linear("mlm.transform", H, H),
      ...norm("mlm.transform_norm"),
      { name: "mlm.output.bias", shape: [V] },
      ...linear("nsp", H, 2),
      ...linear("qa", H, 2),
    ],
  };
}

export function tinyGpt2(): GgufSpec {
  return {
    metadata: [
      ["general.architecture", text("gpt2")],
      ["gpt2.block_count", u32(1)],
      ["gpt2.context_length", u32(POSITIONS)],
      ["gpt2.embedding_length", u32(H)],
      ["gpt2.feed_forward_length", u32(F)],
      ["gpt2.attention.head_count", u32(2)],
      ["gpt2.attention.layer_norm_epsilon", { type: "f32", value: 1e-5 }],
    ],
    tensors: [
      { name: "token_embd.weight", shape: [H, V] },
      { name: "position_embd.weight", shape: [H, POSITIONS] },
      ...norm("blk.0.attn_norm"),
      ...linear("blk.0.attn_qkv", H, 3 * H),
      ...linear("blk.0.attn_output", H, H),
      ...norm("blk.0.ffn_norm"),
      ...linear("blk.0.ffn_up", H, F),
      ...linear("blk.0.ffn_down", F, H),
      ...norm("output_norm"),
    ],
  };
}

/** The specification with one entry replaced, added or (undefined) removed. */
export function withKey(spec: GgufSpec, key: string, value: MetaValue | undefined): GgufSpec {
  const metadata = spec.metadata.filter(([name]) => name !== key);
  return { ...spec, metadata: value === undefined ? metadata : [...metadata, [key, value]] };
}

/** The specification with one tensor replaced, added or (undefined) removed. */
export function withTensor(spec: GgufSpec, name: string, tensor: TensorSpec | undefined): GgufSpec {
  const tensors = spec.tensors.filter((each) => each.name !== name);
  return { ...spec, tensors: tensor === undefined ? tensors : [...tensors, tensor] };
}
