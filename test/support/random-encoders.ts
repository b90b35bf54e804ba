/**
 * Writes checkpoints of BERT's kin with random weights in Hugging Face's folder layout. Names and shapes are those
 * that the transformers library (5.17) saves. The same options give the same files.
 */
import {
  weightMaker,
  writeModel,
  writeTokenizer,
  type RandomModel,
  type SharedOptions,
} from "./random-models.js";
import type { CheckpointTensor } from "./safetensors.js";

export type Family = "roberta" | "distilbert" | "electra" | "albert" | "mpnet" | "modernbert";

export interface RandomEncoderOptions extends SharedOptions {
  /** The class the checkpoint is of. */
  architecture: string;
  family: Family;
  /** Rows of the segment embedding, where the family has one. Default: 2. */
  segments?: number;
  /** E, where the family has one. Default: 24. */
  embedding?: number;
  /** Default: true. */
  tied?: boolean;
  /** Default: 3. */
  labels?: number;
}

/** Makes tensors of the usual kinds. */
type Make = ReturnType<typeof layerMaker>;

function layerMaker(options: SharedOptions) {
  const make = weightMaker(options);
  return {
    ...make,
    linear: (name: string, rows: number, width: number) => [
      make.matrix(`${name}.weight`, rows, width),
      make.bias(`${name}.bias`, rows),
    ],
    norm: (name: string, size: number) => [
      make.scale(`${name}.weight`, size),
      make.bias(`${name}.bias`, size),
    ],
    /** Rows far apart, so that each matters. */
    table: (name: string, rows: number, width: number): CheckpointTensor => {
      const { write, ...rest } = make.matrix(name, rows, width);
      return {
        ...rest,
        write: (data) => {
          write(data);
          for (let i = 0; i < data.length; i++) data[i]! *= 8;
        },
      };
    },
  };
}

interface Sizes {
  V: number;
  H: number;
  F: number;
  L: number;
  A: number;
  E: number;
  positions: number;
  segments: number;
  labels: number;
}

/** Writes a checkpoint into `dir`, which is created. */
export async function writeRandomEncoder(dir: string, options: RandomEncoderOptions): Promise<RandomModel> {
  const { architecture, family, hidden = 64, labels = 3 } = options;
  const vocabSize = await writeTokenizer(dir, family === "modernbert" ? "gpt2" : "bert", options);
  const sizes: Sizes = {
    V: vocabSize,
    H: hidden,
    F: options.intermediate ?? 2 * hidden,
    L: options.layers ?? 2,
    A: options.heads ?? 4,
    E: options.embedding ?? 24,
    positions: options.positions ?? 40,
    segments: options.segments ?? 2,
    labels,
  };
  const config: Record<string, unknown> = {
    architectures: [architecture],
    vocab_size: vocabSize,
    tie_word_embeddings: options.tied ?? true,
    ...configOf(family, sizes, options.activation ?? (family === "albert" ? "gelu_new" : "gelu")),
    ...options.config,
  };
  if (/Classification/.test(architecture))
    config["id2label"] ??= Object.fromEntries(Array.from({ length: labels }, (_, i) => [i, `label ${i}`]));
  const tensors = TENSORS[family](layerMaker(options), sizes, {
    architecture,
    tied: options.tied ?? true,
    config,
  });
  return writeModel(dir, config, tensors, options);
}

function configOf(family: Family, sizes: Sizes, activation: string): Record<string, unknown> {
  const { H, F, L, A, E, positions, segments } = sizes;
  if (family === "distilbert") {
    const own = { dim: H, hidden_dim: F, n_layers: L, n_heads: A, activation };
    return { model_type: family, ...own, max_position_embeddings: positions, sinusoidal_pos_embds: false };
  }
  const shared = {
    model_type: family,
    hidden_size: H,
    intermediate_size: F,
    num_hidden_layers: L,
    num_attention_heads: A,
    max_position_embeddings: positions,
  };
  if (family === "modernbert") {
    const local = { local_attention: 8, local_rope_theta: 10_000, global_rope_theta: 160_000 };
    const own = { ...local, global_attn_every_n_layers: 3, norm_eps: 1e-5, hidden_activation: activation };
    return { ...shared, ...own, norm_bias: false, attention_bias: false, mlp_bias: false };
  }
  const post = { ...shared, hidden_act: activation, layer_norm_eps: 1e-12 };
  switch (family) {
    case "roberta":
      return { ...post, layer_norm_eps: 1e-5, type_vocab_size: 1, pad_token_id: 1 };
    case "electra":
      return { ...post, type_vocab_size: segments, embedding_size: E };
    case "albert": {
      const groups = { num_hidden_groups: 1, inner_group_num: 1 };
      return { ...post, ...groups, type_vocab_size: segments, embedding_size: E };
    }
    case "mpnet":
      return { ...post, layer_norm_eps: 1e-5, relative_attention_num_buckets: 32 };
  }
}

// ---- weights

interface Checkpoint {
  architecture: string;
  tied: boolean;
  config: Record<string, unknown>;
}

type Tensors = (make: Make, sizes: Sizes, checkpoint: Checkpoint) => CheckpointTensor[];

function embeddings(make: Make, prefix: string, { V, positions }: Sizes, width: number, segments: number) {
  const name = `${prefix}embeddings`;
  return [
    make.table(`${name}.word_embeddings.weight`, V, width),
    make.table(`${name}.position_embeddings.weight`, positions, width),
    ...(segments > 0 ? [make.table(`${name}.token_type_embeddings.weight`, segments, width)] : []),
    ...make.norm(`${name}.LayerNorm`, width),
  ];
}

function bertLayers(make: Make, prefix: string, { H, F, L }: Sizes): CheckpointTensor[] {
  return Array.from({ length: L }, (_, i) => {
    const layer = `${prefix}encoder.layer.${i}`;
    return [
      ...["query", "key", "value"].flatMap((part) => make.linear(`${layer}.attention.self.${part}`, H, H)),
      ...make.linear(`${layer}.attention.output.dense`, H, H),
      ...make.norm(`${layer}.attention.output.LayerNorm`, H),
      ...make.linear(`${layer}.intermediate.dense`, F, H),
      ...make.linear(`${layer}.output.dense`, H, F),
      ...make.norm(`${layer}.output.LayerNorm`, H),
    ];
  }).flat();
}

/** The heads of RoBERTa and MPNet. */
function lmHeads(make: Make, prefix: string, { H, V, labels }: Sizes, { architecture, tied }: Checkpoint) {
  if (/ForMaskedLM/.test(architecture)) {
    return [
      ...make.linear("lm_head.dense", H, H),
      ...make.norm("lm_head.layer_norm", H),
      make.bias("lm_head.bias", V),
      ...(tied ? [] : [make.matrix("lm_head.decoder.weight", V, H)]),
    ];
  }
  if (/ForSequence/.test(architecture)) {
    return [...make.linear("classifier.dense", H, H), ...make.linear("classifier.out_proj", labels, H)];
  }
  return tokenHeads(make, H, labels, architecture) ?? make.linear(`${prefix}pooler.dense`, H, H);
}

function tokenHeads(make: Make, H: number, labels: number, architecture: string) {
  if (/ForToken/.test(architecture)) return make.linear("classifier", labels, H);
  if (/ForQuestion/.test(architecture)) return make.linear("qa_outputs", 2, H);
  return undefined;
}

const prefixFor = ({ architecture }: Checkpoint, prefix: string) =>
  architecture.endsWith("Model") ? "" : prefix;

const TENSORS: Readonly<Record<Family, Tensors>> = {
  roberta(make, sizes, checkpoint) {
    const prefix = prefixFor(checkpoint, "roberta.");
    const segments = checkpoint.config["type_vocab_size"] as number;
    return [
      ...embeddings(make, prefix, sizes, sizes.H, segments),
      ...bertLayers(make, prefix, sizes),
      ...lmHeads(make, prefix, sizes, checkpoint),
    ];
  },

  distilbert(make, sizes, checkpoint) {
    const { H, F, L, V, labels } = sizes;
    const prefix = prefixFor(checkpoint, "distilbert.");
    const layers = Array.from({ length: L }, (_, i) => {
      const layer = `${prefix}transformer.layer.${i}`;
      return [
        ...["q", "k", "v", "out"].flatMap((part) => make.linear(`${layer}.attention.${part}_lin`, H, H)),
        ...make.norm(`${layer}.sa_layer_norm`, H),
        ...make.linear(`${layer}.ffn.lin1`, F, H),
        ...make.linear(`${layer}.ffn.lin2`, H, F),
        ...make.norm(`${layer}.output_layer_norm`, H),
      ];
    });
    const mlm = [
      ...make.linear("vocab_transform", H, H),
      ...make.norm("vocab_layer_norm", H),
      make.bias("vocab_projector.bias", V),
      ...(checkpoint.tied ? [] : [make.matrix("vocab_projector.weight", V, H)]),
    ];
    const sequence = [...make.linear("pre_classifier", H, H), ...make.linear("classifier", labels, H)];
    return [
      ...embeddings(make, prefix, sizes, H, 0),
      ...layers.flat(),
      ...(/ForMaskedLM/.test(checkpoint.architecture) ? mlm : []),
      ...(/ForSequence/.test(checkpoint.architecture) ? sequence : []),
      ...(tokenHeads(make, H, labels, checkpoint.architecture) ?? []),
    ];
  },

  electra(make, sizes, checkpoint) {
    const { H, E, V, labels, segments } = sizes;
    const { architecture } = checkpoint;
    const prefix = prefixFor(checkpoint, "electra.");
    const generator = [
      ...make.linear("generator_predictions.dense", E, H),
      ...make.norm("generator_predictions.LayerNorm", E),
      make.bias("generator_lm_head.bias", V),
      ...(checkpoint.tied ? [] : [make.matrix("generator_lm_head.weight", V, E)]),
    ];
    const discriminator = [
      ...make.linear("discriminator_predictions.dense", H, H),
      ...make.linear("discriminator_predictions.dense_prediction", 1, H),
    ];
    const sequence = [
      ...make.linear("classifier.dense", H, H),
      ...make.linear("classifier.out_proj", labels, H),
    ];
    return [
      ...embeddings(make, prefix, sizes, E, segments),
      ...(E === H ? [] : make.linear(`${prefix}embeddings_project`, H, E)),
      ...bertLayers(make, prefix, sizes),
      ...(/ForMaskedLM/.test(architecture) ? generator : []),
      ...(/ForPreTraining/.test(architecture) ? discriminator : []),
      ...(/ForSequence/.test(architecture) ? sequence : []),
      ...(tokenHeads(make, H, labels, architecture) ?? []),
    ];
  },

  albert(make, sizes, checkpoint) {
    const { H, F, E, V, labels, segments } = sizes;
    const { architecture } = checkpoint;
    const prefix = prefixFor(checkpoint, "albert.");
    const groups = checkpoint.config["num_hidden_groups"] as number;
    const layers = Array.from({ length: groups }, (_, i) => {
      const layer = `${prefix}encoder.albert_layer_groups.${i}.albert_layers.0`;
      return [
        ...make.norm(`${layer}.full_layer_layer_norm`, H),
        ...["query", "key", "value", "dense"].flatMap((part) =>
          make.linear(`${layer}.attention.${part}`, H, H),
        ),
        ...make.norm(`${layer}.attention.LayerNorm`, H),
        ...make.linear(`${layer}.ffn`, F, H),
        ...make.linear(`${layer}.ffn_output`, H, F),
      ];
    });
    const predictions = [
      ...make.linear("predictions.dense", E, H),
      ...make.norm("predictions.LayerNorm", E),
      make.bias("predictions.bias", V),
      ...(checkpoint.tied ? [] : [make.matrix("predictions.decoder.weight", V, E)]),
    ];
    const hasPooler = !/MaskedLM|ForToken|ForQuestion/.test(architecture);
    return [
      ...embeddings(make, prefix, sizes, E, segments),
      ...make.linear(`${prefix}encoder.embedding_hidden_mapping_in`, H, E),
      ...layers.flat(),
      ...(hasPooler ? make.linear(`${prefix}pooler`, H, H) : []),
      ...(/MaskedLM|PreTraining/.test(architecture) ? predictions : []),
      ...(/PreTraining/.test(architecture) ? make.linear("sop_classifier.classifier", 2, H) : []),
      ...(/ForSequence/.test(architecture) ? make.linear("classifier", labels, H) : []),
      ...(tokenHeads(make, H, labels, architecture) ?? []),
    ];
  },

  mpnet(make, sizes, checkpoint) {
    const { H, F, L, A } = sizes;
    const prefix = prefixFor(checkpoint, "mpnet.");
    const layers = Array.from({ length: L }, (_, i) => {
      const layer = `${prefix}encoder.layer.${i}`;
      return [
        ...["q", "k", "v", "o"].flatMap((part) => make.linear(`${layer}.attention.attn.${part}`, H, H)),
        ...make.norm(`${layer}.attention.LayerNorm`, H),
        ...make.linear(`${layer}.intermediate.dense`, F, H),
        ...make.linear(`${layer}.output.dense`, H, F),
        ...make.norm(`${layer}.output.LayerNorm`, H),
      ];
    });
    return [
      ...embeddings(make, prefix, sizes, H, 0),
      ...layers.flat(),
      make.table(`${prefix}encoder.relative_attention_bias.weight`, 32, A),
      ...lmHeads(make, prefix, sizes, checkpoint),
    ];
  },

  modernbert(make, sizes, checkpoint) {
    const { H, F, L, V, labels } = sizes;
    const { architecture } = checkpoint;
    const prefix = prefixFor(checkpoint, "model.");
    const layers = Array.from({ length: L }, (_, i) => {
      const layer = `${prefix}layers.${i}`;
      return [
        ...(i > 0 ? [make.scale(`${layer}.attn_norm.weight`, H)] : []),
        make.matrix(`${layer}.attn.Wqkv.weight`, 3 * H, H),
        make.matrix(`${layer}.attn.Wo.weight`, H, H),
        make.scale(`${layer}.mlp_norm.weight`, H),
        make.matrix(`${layer}.mlp.Wi.weight`, 2 * F, H),
        make.matrix(`${layer}.mlp.Wo.weight`, H, F),
      ];
    });
    const transform = [make.matrix("head.dense.weight", H, H), make.scale("head.norm.weight", H)];
    const classifier = make.linear("classifier", /ForQuestion/.test(architecture) ? 2 : labels, H);
    const masked = [
      make.bias("decoder.bias", V),
      ...(checkpoint.tied ? [] : [make.matrix("decoder.weight", V, H)]),
    ];
    return [
      make.table(`${prefix}embeddings.tok_embeddings.weight`, V, H),
      make.scale(`${prefix}embeddings.norm.weight`, H),
      ...layers.flat(),
      make.scale(`${prefix}final_norm.weight`, H),
      ...(architecture.endsWith("Model") ? [] : transform),
      ...(/ForMaskedLM/.test(architecture) ? masked : []),
      ...(/Classification|ForQuestion/.test(architecture) ? classifier : []),
    ];
  },
};
