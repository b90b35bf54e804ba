/** A `modern-bert` model in GGUF: llama.cpp's keys and tensor names, and ours for the masked-token head. */
import type { ModernBertHyperparameters } from "../native.js";
import { countLabels, refuseOtherModels, type EncoderHeads } from "./bert-file.js";
import { readActivation, readSharedHyperparameters, type ModelSource } from "./model-keys.js";
import { linear, type TensorRule } from "./tensor-rules.js";

const PREFIX = "modern-bert";

export function readModernBertHyperparameters(source: ModelSource): ModernBertHyperparameters {
  const { keys } = source;
  refuseOtherModels(source, PREFIX);
  const shared = readSharedHyperparameters(source, PREFIX);
  if ((shared.embeddingLength / shared.headCount) % 2 !== 0) {
    throw keys.error(`${PREFIX}.attention.head_count`, "heads of an even number of values", shared.headCount);
  }
  return {
    ...shared,
    segmentCount: 0,
    activation: readActivation(source, PREFIX, "hidden_activation", "gelu"),
    classifierPooling: readClassifierPooling(source),
    globalEvery: keys.integer(`${PREFIX}.attention.sliding_window_pattern`, 1, 1024),
    localReach: Math.floor(keys.integer(`${PREFIX}.attention.sliding_window`, 1, 2 ** 20) / 2),
    globalRopeBase: keys.numberBetween(`${PREFIX}.rope.freq_base`, 0, 1e13),
    localRopeBase: keys.numberBetween(`${PREFIX}.rope.freq_base_swa`, 0, 1e13),
  };
}

/** llama.cpp's files do not say: it takes the first token. */
function readClassifierPooling({ keys }: ModelSource): "cls" | "mean" {
  const key = `${PREFIX}.classifier.pooling`;
  const pooling = keys.optionalString(key) ?? "cls";
  if (pooling === "cls" || pooling === "mean") return pooling;
  throw keys.error(key, "cls or mean", pooling);
}

export function checkModernBertTensors(
  { tensors }: ModelSource,
  hyper: ModernBertHyperparameters,
): EncoderHeads {
  const { vocabSize: V, embeddingLength: H, feedForwardLength: F } = hyper;
  const weight = (name: string, ...shape: number[]): TensorRule => ({ name: `${name}.weight`, shape });
  tensors.require([weight("token_embd", H, V), weight("token_embd_norm", H), weight("output_norm", H)]);
  for (let i = 0; i < hyper.blockCount; i++) {
    const block = `blk.${i}`;
    if (i > 0) tensors.require([weight(`${block}.attn_norm`, H)]);
    tensors.require([
      weight(`${block}.attn_qkv`, H, 3 * H),
      weight(`${block}.attn_output`, H, H),
      weight(`${block}.ffn_norm`, H),
      weight(`${block}.ffn_up`, H, 2 * F),
      weight(`${block}.ffn_down`, F, H),
    ]);
  }
  const mlm = tensors.optional([
    weight("mlm.transform", H, H),
    weight("mlm.transform_norm", H),
    { name: "mlm.output.bias", shape: [V] },
  ]);
  if (mlm) tensors.optional([weight("mlm.output", H, V)]);
  const classifier = tensors.optional([weight("cls", H, H), weight("cls.norm", H)]);
  return {
    pooler: false,
    mlm,
    nextSentence: false,
    sequenceLabels: classifier ? countLabels({ tensors }, "cls.output", H) : 0,
    tokenLabels: classifier ? countLabels({ tensors }, "token_cls", H) : 0,
    questionAnswering: classifier && tensors.optional(linear("qa", H, 2)),
    replacedTokens: false,
  };
}
