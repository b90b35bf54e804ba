/**
 * From a Hugging Face MPNet checkpoint to GGUF. Positions count from 2, whatever the padding token: the rows before
 * are never used and left out.
 */
import { ignoreBuffers } from "./bert.js";
import { BERT_ENTRIES, encoderMetadata, readEncoderConfig, requireEntry } from "./encoder-config.js";
import { classesOf, labelMetadata, mapHeads } from "./encoder-heads.js";
import type { JsonFile } from "./json-file.js";
import { requireGeluHead, ROBERTA_CLASSES, ROBERTA_HEADS, ROBERTA_SEQUENCE_HEADS } from "./roberta.js";
import type { Architecture, MappedModel, TensorMapper } from "./tensor-mapper.js";

const CLASSES = classesOf(["MPNet"], ROBERTA_CLASSES);

const DEFAULTS = { positions: 512, segments: 0, epsilon: 1e-12, activation: "gelu" };
const FIRST_POSITION = 2;
const BUCKETS = 32;

function mapMpnet(mapper: TensorMapper, file: JsonFile, name: string): MappedModel {
  const config = readEncoderConfig(file, BERT_ENTRIES, DEFAULTS);
  const { vocabSize, hiddenSize: H, intermediateSize: F, positions } = config;
  if (positions <= FIRST_POSITION) throw file.error("max_position_embeddings", `more than ${FIRST_POSITION}`);
  // The library sorts distances into so many buckets whatever the entry says.
  requireEntry(file, "relative_attention_num_buckets", BUCKETS);
  requireGeluHead(file, mapper, config.activation);

  mapper.map("embeddings.word_embeddings.weight", "token_embd.weight", [vocabSize, H]);
  mapper.mapRowsFrom(FIRST_POSITION, "embeddings.position_embeddings.weight", "position_embd.weight", [
    positions,
    H,
  ]);
  mapper.norm("embeddings.LayerNorm", "token_embd_norm", H);
  mapper.map("encoder.relative_attention_bias.weight", "attn_rel_b.weight", [BUCKETS, config.heads]);
  for (let i = 0; i < config.layers; i++) {
    const [from, to] = [`encoder.layer.${i}`, `blk.${i}`];
    mapper.linear(`${from}.attention.attn.q`, `${to}.attn_q`, H, H);
    mapper.linear(`${from}.attention.attn.k`, `${to}.attn_k`, H, H);
    mapper.linear(`${from}.attention.attn.v`, `${to}.attn_v`, H, H);
    mapper.linear(`${from}.attention.attn.o`, `${to}.attn_output`, H, H);
    mapper.norm(`${from}.attention.LayerNorm`, `${to}.attn_output_norm`, H);
    mapper.linear(`${from}.intermediate.dense`, `${to}.ffn_up`, F, H);
    mapper.linear(`${from}.output.dense`, `${to}.ffn_down`, H, F);
    mapper.norm(`${from}.output.LayerNorm`, `${to}.layer_output_norm`, H);
  }
  ignoreBuffers(mapper);

  const required = CLASSES[name]!;
  const labels = mapHeads(
    mapper,
    config,
    required,
    required.includes("sequence") ? ROBERTA_SEQUENCE_HEADS : ROBERTA_HEADS,
  );
  const context = positions - FIRST_POSITION;
  const metadata = [...encoderMetadata("mpnet", config, context), ...labelMetadata("mpnet", file, labels)];
  return { metadata, vocabSize, contextLength: context, hiddenSize: H };
}

export const MPNET: Architecture = {
  kind: "mpnet",
  classes: Object.keys(CLASSES),
  baseClasses: { mpnet: "MPNetModel" },
  prefixes: ["mpnet.", ""],
  map: mapMpnet,
};
