/**
 * From a Hugging Face OPT checkpoint to GGUF. OPT (Zhang et al., arXiv:2205.01068) computes what GPT-2 computes, with
 * projections apart, ReLU, and positions that begin with the third row of their table: its files are of GPT-2's
 * architecture. Of the sizes that were published, 350 million has its norms after what the others have them before, and
 * embeddings narrower than its layers.
 */
import { mapDecoderHeads } from "./decoder-heads.js";
import { requireEntry } from "./encoder-config.js";
import { gpt2Metadata, requireActivation } from "./gpt2.js";
import type { JsonFile } from "./json-file.js";
import type { Architecture, MappedModel, TensorMapper } from "./tensor-mapper.js";

/** Rows of the position table that are never used. */
const UNUSED_POSITIONS = 2;

function mapOpt(mapper: TensorMapper, file: JsonFile, className: string): MappedModel {
  const V = file.integer("vocab_size", 1, 2 ** 31 - 1);
  const H = file.integer("hidden_size", 1, 2 ** 20);
  const F = file.integer("ffn_dim", 1, 2 ** 20);
  const layers = file.integer("num_hidden_layers", 1, 65_535);
  const heads = file.integer("num_attention_heads", 1, 65_535);
  const positions = file.integer("max_position_embeddings", 1, 2 ** 20);
  const activation = file.string("activation_function", "relu");
  if (H % heads !== 0) throw file.error("num_attention_heads", "a divisor of hidden_size");
  requireActivation(file, activation);
  for (const flag of ["enable_bias", "layer_norm_elementwise_affine"]) requireEntry(file, flag, true);
  const normsBefore = file.boolean("do_layer_norm_before", true);
  if (normsBefore) requireEntry(file, "_remove_final_layer_norm", false);
  const E = file.optionalInteger("word_embed_proj_dim", 1, 2 ** 20) ?? H;

  mapper.map("embed_tokens.weight", "token_embd.weight", [V, E]);
  if (E !== H) {
    mapper.map("project_in.weight", "token_embd_projection.weight", [H, E]);
    mapper.map("project_out.weight", "output_projection.weight", [E, H]);
  }
  const rows = positions + UNUSED_POSITIONS;
  mapper.mapRowsFrom(UNUSED_POSITIONS, "embed_positions.weight", "position_embd.weight", [rows, H]);
  for (let i = 0; i < layers; i++) {
    const [from, to] = [`layers.${i}`, `blk.${i}`];
    mapper.norm(`${from}.self_attn_layer_norm`, `${to}.${normsBefore ? "attn_norm" : "attn_output_norm"}`, H);
    for (const part of ["q", "k", "v"]) {
      mapper.linear(`${from}.self_attn.${part}_proj`, `${to}.attn_${part}`, H, H);
    }
    mapper.linear(`${from}.self_attn.out_proj`, `${to}.attn_output`, H, H);
    mapper.norm(`${from}.final_layer_norm`, `${to}.${normsBefore ? "ffn_norm" : "layer_output_norm"}`, H);
    mapper.linear(`${from}.fc1`, `${to}.ffn_up`, F, H);
    mapper.linear(`${from}.fc2`, `${to}.ffn_down`, H, F);
  }
  if (normsBefore) mapper.norm("final_layer_norm", "output_norm", H);
  const metadata = gpt2Metadata({
    hiddenSize: H,
    intermediateSize: F,
    layers,
    heads,
    positions,
    // PyTorch's default: the configuration does not say.
    epsilon: 1e-5,
    activation,
    scaleWeights: true,
    scaleByInverseLayer: false,
  });
  const tied = file.boolean("tie_word_embeddings", true);
  const settings = {
    architecture: "gpt2",
    className,
    output: "lm_head",
    tied,
    vocabSize: V,
    width: E,
  } as const;
  metadata.push(...mapDecoderHeads(mapper, file, settings));
  return { metadata, vocabSize: V, contextLength: positions, hiddenSize: H };
}

export const OPT: Architecture = {
  kind: "gpt2",
  classes: ["OPTModel", "OPTForCausalLM", "OPTForSequenceClassification"],
  baseClasses: { opt: "OPTModel" },
  prefixes: ["model.decoder.", "decoder.", ""],
  map: mapOpt,
};
