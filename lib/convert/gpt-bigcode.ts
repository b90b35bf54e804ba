/**
 * From a Hugging Face GPTBigCode checkpoint (StarCoder, SantaCoder) to GGUF: llama.cpp's names for `starcoder`. It
 * computes what GPT-2 computes; usually all heads share one head of keys and values.
 */
import { unsupportedKey } from "../gguf/model-keys.js";
import { mapDecoderHeads } from "./decoder-heads.js";
import { gpt2Metadata, readGpt2Config } from "./gpt2.js";
import type { JsonFile } from "./json-file.js";
import type { Architecture, MappedModel, TensorMapper } from "./tensor-mapper.js";

const KIND = "starcoder";

function readKeyValueHeads(file: JsonFile, heads: number): number {
  const expected = file.boolean("multi_query", true) ? 1 : heads;
  const said = file.optionalInteger("num_key_value_heads", 1, 65_535) ?? expected;
  if (said !== expected) throw unsupportedKey(file, "num_key_value_heads", said);
  return expected;
}

function mapGptBigcode(mapper: TensorMapper, file: JsonFile, className: string): MappedModel {
  const config = readGpt2Config(file, "gelu_pytorch_tanh");
  const { vocabSize: V, hiddenSize: H, intermediateSize: F, heads, tied } = config;
  const shared = readKeyValueHeads(file, heads);
  mapper.map("wte.weight", "token_embd.weight", [V, H]);
  mapper.map("wpe.weight", "position_embd.weight", [config.positions, H]);
  for (let i = 0; i < config.layers; i++) {
    const [from, to] = [`h.${i}`, `blk.${i}`];
    mapper.norm(`${from}.ln_1`, `${to}.attn_norm`, H);
    // With one head of keys they come last, else they are interleaved with the queries.
    if (shared < heads)
      mapper.linear(`${from}.attn.c_attn`, `${to}.attn_qkv`, H + 2 * shared * (H / heads), H);
    else mapper.interleaved(`${from}.attn.c_attn`, `${to}.attn_qkv`, heads, H);
    mapper.linear(`${from}.attn.c_proj`, `${to}.attn_output`, H, H);
    mapper.norm(`${from}.ln_2`, `${to}.ffn_norm`, H);
    mapper.linear(`${from}.mlp.c_fc`, `${to}.ffn_up`, F, H);
    mapper.linear(`${from}.mlp.c_proj`, `${to}.ffn_down`, H, F);
  }
  mapper.norm("ln_f", "output_norm", H);
  // The causal mask, which older versions of the library stored.
  mapper.ignore(/(^|\.)h\.\d+\.attn\.(bias|masked_bias)$/);
  const settings = {
    architecture: KIND,
    className,
    output: "lm_head",
    tied,
    vocabSize: V,
    width: H,
  } as const;
  const metadata = [...gpt2Metadata(config, KIND), ...mapDecoderHeads(mapper, file, settings)];
  metadata.push({ key: `${KIND}.attention.head_count_kv`, type: "u32", value: shared });
  return { metadata, vocabSize: V, contextLength: config.positions, hiddenSize: H };
}

export const GPT_BIGCODE: Architecture = {
  kind: KIND,
  classes: ["GPTBigCodeModel", "GPTBigCodeForCausalLM", "GPTBigCodeForSequenceClassification"],
  baseClasses: { gpt_bigcode: "GPTBigCodeModel" },
  prefixes: ["transformer.", ""],
  map: mapGptBigcode,
};
