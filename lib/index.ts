export { attentionHtml } from "./attention-html.js";
export type { AttentionHtmlOptions, AttentionInput } from "./attention-html.js";
export { convert } from "./convert/index.js";
export type { ConvertedTensor, ConvertOptions, ConvertProgress, ConvertResult } from "./convert/index.js";
export { devices } from "./devices.js";
export { Encoder } from "./encoder.js";
export type { EncoderInfo } from "./encoder.js";
export * from "./errors.js";
export type { GenerationStream } from "./generation-stream.js";
export { Generator } from "./generator.js";
export type {
  DraftModel,
  GenerateOptions,
  Generation,
  GenerationTimings,
  GeneratorInfo,
  GeneratorInput,
  Logits,
  LogitsContext,
  LogitsOptions,
  LogitsProcessor,
  PromptLookup,
  SamplerName,
  SamplingSettings,
  Speculation,
  SpeculationReport,
  StreamOptions,
} from "./generator.js";
export type { BeamSearchOptions, BeamSearchResult, BeamSearchTimings, BeamSequence } from "./beam-search.js";
export type { ConstraintOptions } from "./constraint/constraint.js";
export type { AdjustingSettings } from "./sampling.js";
export type {
  ContinuationNormalization,
  ContinuationOptions,
  ContinuationScore,
  ContinuationScores,
} from "./continuations.js";
export type { EncoderInput, InputOptions, Progress, Truncation } from "./inputs.js";
export { inspect } from "./inspect.js";
export type {
  EmbeddingSummary,
  Inspection,
  InspectOptions,
  Task,
  TokenizerSummary,
  TypeException,
  TypeSummary,
} from "./inspect.js";
export type { GeneratorLoadOptions, LoadOptions, ModelInfo } from "./loading.js";
export type { ProblemType } from "./gguf/classifier.js";
export type {
  Activation,
  AlbertHyperparameters,
  BertHyperparameters,
  DecoderArchitecture,
  DecoderHyperparameters,
  DecoderSizes,
  DeviceInfo,
  EncoderArchitecture,
  EncoderHyperparameters,
  EncoderSizes,
  Gpt2Hyperparameters,
  GptNeoxHyperparameters,
  KvType,
  ModelSizes,
  ModernBertHyperparameters,
  NativeHeads,
  NativeMemory,
  PooledProjections,
  PoolingMode,
  SparseActivation,
  SparsePooling,
  TensorType,
} from "./native.js";
export type { Profile, ProfiledOperation } from "./profile.js";
export type { Perplexity, PerplexityOptions } from "./perplexity.js";
export { quantize } from "./quantize.js";
export type { QuantizeOptions, QuantizeResult } from "./quantize.js";
export type { DetectReplacedOptions, TokenReplacement } from "./tasks/detect-replaced.js";
export type { Answer, AnswerOptions, AnswerResult, QuestionInput } from "./tasks/answer.js";
export type { BiasPair, BiasProbe, BiasProbeOptions } from "./tasks/bias-probe.js";
export type {
  PseudoLogLikelihood,
  PseudoLogLikelihoodOptions,
  TokenLikelihood,
} from "./tasks/pseudo-log-likelihood.js";
export type { ScoreOptions, TextScore, TokenAlternative, TokenScore } from "./score.js";
export type { AppendOptions, Session, SessionOptions } from "./session.js";
export type { Overflow as SessionOverflow } from "./session-engine.js";
export { similarity } from "./similarity.js";
export type { SimilarityMeasure } from "./similarity.js";
export type { Classification, ClassifyOptions } from "./tasks/classify.js";
export type { ZeroShotClassification, ZeroShotOptions } from "./tasks/classify-zero-shot.js";
export type { LabelScore, ScoreActivation } from "./tasks/label-scores.js";
export { embeddingRanges, quantizeEmbedding } from "./tasks/embedding-precision.js";
export type { EmbeddingOf, EmbeddingPrecision, EmbeddingRanges } from "./tasks/embedding-precision.js";
export { sparseSimilarity } from "./tasks/embed-sparse.js";
export type { EmbedSparseOptions, SparseEmbedding, SparseWeights } from "./tasks/embed-sparse.js";
export { maxSim } from "./tasks/embed-tokens.js";
export type { EmbedTokensOptions, TokenEmbeddings } from "./tasks/embed-tokens.js";
export type { EmbeddedText, EmbeddedWindow, EmbedWindowsOptions } from "./tasks/embed-windows.js";
export type { EmbedOptions } from "./tasks/embed.js";
export type { EncodeOptions, EncoderOutput } from "./tasks/encode.js";
export type {
  FillMaskOptions,
  FillMaskResult,
  MaskFilling,
  MaskPrediction,
  MaskResult,
} from "./tasks/fill-mask.js";
export type { NextSentenceOptions, NextSentenceResult } from "./tasks/next-sentence.js";
export type { EntityAggregation } from "./tasks/entity-groups.js";
export type { Entity, RecognizeEntitiesOptions } from "./tasks/recognize-entities.js";
export type { RankedDocument, RerankOptions } from "./tasks/rerank.js";
export type { WindowOptions } from "./windows.js";
export type { Tensor } from "./tensor.js";
export type { GenerationChunk } from "./text-stream.js";
export { Encoding, Tokenizer, TokenStream } from "./tokenizer/index.js";
export type {
  DecodeOptions,
  EncodeAsyncOptions,
  EncodeBatchOptions,
  EncodeOptions as TokenizeOptions,
  GgufMetadata,
  SpecialIds,
  SpecialRole,
  TokenStreamOptions,
  TruncationStrategy,
} from "./tokenizer/index.js";
