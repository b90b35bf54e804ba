/** What the addon is told of a model file: its tensors and hyper-parameters. */

/** A GGML tensor type that weights may have. */
export type TensorType =
  | "F32"
  | "F16"
  | "BF16"
  | "Q8_0"
  | "Q4_0"
  | "Q4_1"
  | "Q5_0"
  | "Q5_1"
  | "Q4_K"
  | "Q5_K"
  | "Q6_K";

/** One row of the tensor table handed to the addon, which checks it again against the mapped file. */
export interface TensorEntry {
  name: string;
  type: TensorType;
  /** Dimensions, innermost (contiguous) first, as in GGUF. One to four. */
  shape: number[];
  /** Bytes from the beginning of the file. */
  offset: number;
}

/** What the addon needs to know to load a model. */
export interface ModelSpec {
  path: string;
  architecture: EncoderArchitecture | DecoderArchitecture;
  hyperparameters: EncoderHyperparameters | DecoderHyperparameters;
  tensors: TensorEntry[];
}

/** `general.architecture` of the files of encoders. */
export type EncoderArchitecture = "bert" | "electra" | "albert" | "mpnet" | "modern-bert";

/** `general.architecture` of the files of decoders; `starcoder` is GPT-2 with fewer heads of keys and values. */
export type DecoderArchitecture = "gpt2" | "starcoder" | "gptneox";

/** Of the decoders, by their architecture. */
export type DecoderHyperparameters = Gpt2Hyperparameters | GptNeoxHyperparameters;

/** Of the encoders, by their architecture. */
export type EncoderHyperparameters = BertHyperparameters | AlbertHyperparameters | ModernBertHyperparameters;

/** What pooled vectors go through: the linear layers dense_2, dense_3 and so on. */
export interface PooledProjections {
  /** Of each, separated by commas: an {@link Activation}, or `none`. */
  denseActivations?: string;
}

/** Feed-forward activation: `gelu` is the erf form, `gelu_new` the tanh form, as Hugging Face names them. */
export type Activation = "gelu" | "gelu_new" | "relu" | "silu" | "tanh";

/** What every model has. */
export interface ModelSizes {
  /** V */
  vocabSize: number;
  /** Most tokens of a sequence: the rows of the position embedding, where there is one. */
  contextLength: number;
  /** H */
  embeddingLength: number;
  /** F */
  feedForwardLength: number;
  /** L */
  blockCount: number;
  /** A */
  headCount: number;
  /** Added to the variance before its root is taken. */
  layerNormEpsilon: number;
  /** Of the feed-forward. */
  activation: Activation;
}

/** What every encoder has. */
export interface EncoderSizes extends ModelSizes, PooledProjections {
  /** Rows of the segment embedding; 0 when there is none. */
  segmentCount: number;
}

/** Of BERT; of ELECTRA, and of MPNet, which has no segments. */
export interface BertHyperparameters extends EncoderSizes {
  /** Of the pooler's output. */
  poolerActivation: Activation;
}

/** Of ALBERT. */
export interface AlbertHyperparameters extends BertHyperparameters {
  /** Sets of weights that the layers share. */
  groupCount: number;
}

/** Of ModernBERT. */
export interface ModernBertHyperparameters extends EncoderSizes {
  /** It has none. */
  segmentCount: 0;
  /** Layers 0, n, 2n, … look at all tokens. */
  globalEvery: number;
  /** How many tokens the other layers look to either side. */
  localReach: number;
  /** What the classifier over a text pools: the first token or the mean of all. */
  classifierPooling: "cls" | "mean";
  /** Base of the rotations' frequencies in layers that look at all tokens. */
  globalRopeBase: number;
  /** The same in the others. */
  localRopeBase: number;
}

/** What every decoder has. */
export interface DecoderSizes extends ModelSizes {
  /** Heads of keys and values, a divisor of A. Default: A. */
  keyValueHeadCount?: number;
}

/** Of GPT-2, OPT, GPT-Neo and GPTBigCode. */
export interface Gpt2Hyperparameters extends DecoderSizes {
  /** Divide attention scores by sqrt(D). */
  scaleAttention: boolean;
  /** Divide attention scores of layer i by i + 1 as well. */
  scaleAttentionByInverseLayer: boolean;
  /** `1` for each layer that looks back only so far, `0` for each that sees everything; absent: all do. */
  localLayers?: string;
  /** How many tokens those layers see, the token itself included. */
  localWindow?: number;
}

/** Of GPT-NeoX. */
export interface GptNeoxHyperparameters extends DecoderSizes {
  /** Attention and feed-forward of a layer read the same input. */
  parallelResidual: boolean;
  /** How many values of each head are rotated by the token's position: even, at most D. */
  ropeDimensions: number;
  /** Base of the rotation's frequencies. */
  ropeBase: number;
}
