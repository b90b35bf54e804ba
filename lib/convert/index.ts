/** From a Hugging Face checkpoint to one GGUF file. */
import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { AbortError, ModelFileError, UnsupportedError } from "../errors.js";
import { isDecoder } from "../gguf/decoders.js";
import { FILE_TYPE, QUANTIZATION_VERSION, TENSOR_TYPES, ggmlType } from "../gguf/types.js";
import { tensorBytes, writeGguf, type MetadataItem, type TensorLayout } from "../gguf/writer.js";
import type { ModelSpec, TensorType } from "../native.js";
import { boolean, callback, checkOptions, nonEmptyString, oneOf, signal, type Check } from "../options.js";
import { ALBERT } from "./albert.js";
import { BERT } from "./bert.js";
import { Checkpoint } from "./checkpoint.js";
import { openDenseModules } from "./dense.js";
import { DISTILBERT } from "./distilbert.js";
import { ELECTRA } from "./electra.js";
import { GPT_BIGCODE } from "./gpt-bigcode.js";
import { GPT_NEO } from "./gpt-neo.js";
import { GPT_NEOX } from "./gpt-neox.js";
import { GPT2 } from "./gpt2.js";
import { JsonFile } from "./json-file.js";
import { MODERN_BERT } from "./modern-bert.js";
import { MPNET } from "./mpnet.js";
import { OPT } from "./opt.js";
import { progressReporter, type ConvertProgress } from "./progress.js";
import { ROBERTA } from "./roberta.js";
import { readSentenceTransformersFolder, type SentenceTransformersFolder } from "./sentence-transformers.js";
import { targetType } from "./target-type.js";
import { TensorMapper, type Architecture, type MappedModel, type MappedTensor } from "./tensor-mapper.js";
import { writeTensorData } from "./tensor-source.js";
import { readTokenizerMetadata } from "./tokenizer-metadata.js";

export type { ConvertProgress } from "./progress.js";

/** Options of {@link convert}. */
export interface ConvertOptions {
  /**
   * Type of the weights. Normalization weights, biases, position and segment embeddings and small output
   * layers are always F32; rows whose width the type cannot hold fall back (`Q4_K` to `Q5_0`, `Q5_K` to
   * `Q5_1`, `Q6_K` to `Q8_0`, others to `F16`). Default: the checkpoint's own, which loses nothing.
   */
  type?: TensorType;
  /** `general.name` of the file. Default: the name of the folder. */
  name?: string;
  /** Leave out tensors of the checkpoint that are not known, instead of refusing it. Default: false. */
  ignoreUnknown?: boolean;
  /** Aborts the conversion; nothing is left behind, and it rejects with an `AbortError`. */
  signal?: AbortSignal;
  /** Called as tensor data is written. */
  onProgress?: (progress: ConvertProgress) => void;
}

/** A tensor as it was written. */
export interface ConvertedTensor {
  /** llama.cpp's name of it, for example `"blk.0.attn_q.weight"`. */
  readonly name: string;
  /** Its type in the file. */
  readonly type: TensorType;
  /** Innermost dimension first. */
  readonly shape: readonly number[];
}

/** What {@link convert} and `quantize` return. */
export interface ConvertResult {
  /** Absolute path of the file. */
  readonly path: string;
  /** Its size in bytes. */
  readonly bytes: number;
  /** Of the file; RoBERTa, XLM-R, CamemBERT and DistilBERT become `"bert"`, GPT-Neo and OPT `"gpt2"`. */
  readonly architecture: ModelSpec["architecture"];
  /** The type asked for, or chosen. */
  readonly type: TensorType;
  /** Number of weights. */
  readonly parameters: number;
  /** All tensors, in the order of the file. */
  readonly tensors: readonly ConvertedTensor[];
}

const CONVERT_OPTIONS = {
  type: oneOf<TensorType>(...TENSOR_TYPES),
  name: nonEmptyString,
  ignoreUnknown: boolean,
  signal,
  onProgress: callback() as Check<(progress: ConvertProgress) => void>,
};

/** A tensor to write and where it comes from. */
type PlannedTensor = TensorLayout & { source: MappedTensor; typeName: TensorType };

/**
 * Converts a Hugging Face folder (`config.json`, safetensors, tokenizer files; sentence-transformers' files
 * when there are) to one GGUF file that holds everything needed to run the model. Memory stays at a few
 * megabytes, or for GPT-2, whose matrices are transposed, at its largest block matrix.
 *
 * @param dir - The folder.
 * @param out - The file to write; it appears when it is complete, and replaces one that is there.
 * @throws ModelFileError naming the file and the entry or tensor that is missing or wrong.
 * @throws UnsupportedError naming what is sound but not computed.
 * @throws InvalidArgumentError for an argument or option of the wrong type, value or name.
 * @throws AbortError when `signal` fires.
 */
export async function convert(
  dir: string,
  out: string,
  options: ConvertOptions = {},
): Promise<ConvertResult> {
  // Arguments
  const folder = resolve(nonEmptyString(dir, "dir"));
  const path = resolve(nonEmptyString(out, "out"));
  const checked = checkOptions(options, "convert", CONVERT_OPTIONS);
  if (checked.signal?.aborted) throw new AbortError(undefined, { cause: checked.signal.reason });

  // What the folder holds
  const sentences = await readSentenceTransformersFolder(folder);
  const transformer = sentences?.transformer ?? folder;
  const config = await JsonFile.read(transformer, "config.json");
  const { architecture, name } = chooseArchitecture(config);
  const checkpoint = await Checkpoint.open(transformer);
  const open = [checkpoint];
  try {
    const mapper = new TensorMapper(checkpoint, architecture.prefixes);
    const model = architecture.map(mapper, config, name);
    mapper.finish(checked.ignoreUnknown ?? false);
    const pooling = sentenceMetadata(sentences, architecture.kind, model);
    const dense = await openDenseModules(sentences?.dense ?? [], model.hiddenSize);
    open.push(...dense.checkpoints);

    // What the file will hold
    const type = checked.type ?? ownType(mapper.mapped);
    const tensors = [...mapper.mapped, ...dense.tensors].map((source) => plan(source, type));
    const metadata = [
      ...generalMetadata(architecture.kind, checked.name ?? basename(folder), type),
      ...model.metadata,
      ...pooling,
      ...dense.metadata,
      ...(await readTokenizerMetadata(transformer, config, model.vocabSize, checked.signal)),
      ...(await verbatimConfigs(folder, config)),
    ];
    const bytes = await writeModel(path, metadata, tensors, checked);
    return { path, bytes, architecture: architecture.kind, type, ...describe(tensors) };
  } finally {
    for (const each of open) await each.close();
  }
}

const ARCHITECTURES: readonly Architecture[] = [
  BERT,
  ROBERTA,
  DISTILBERT,
  ELECTRA,
  ALBERT,
  MPNET,
  MODERN_BERT,
  GPT2,
  GPT_NEO,
  GPT_NEOX,
  GPT_BIGCODE,
  OPT,
];

/** By the class the checkpoint was saved from, else by its type, whose base model is then assumed. */
function chooseArchitecture(config: JsonFile): { architecture: Architecture; name: string } {
  const architectures = config.value["architectures"];
  const named = Array.isArray(architectures) ? (architectures[0] as unknown) : undefined;
  const baseClasses = new Map(ARCHITECTURES.flatMap((each) => Object.entries(each.baseClasses)));
  const type = String(config.value["model_type"]);
  const name = String(named ?? baseClasses.get(type) ?? type);
  const architecture = ARCHITECTURES.find(({ classes }) => classes.includes(name));
  if (architecture !== undefined) return { architecture, name };
  const known = ARCHITECTURES.flatMap(({ classes }) => classes).join(", ");
  const message = `Architecture ${name} is not converted, only ${known} (${config.path})`;
  throw new UnsupportedError(message, { path: config.path, field: "architectures", value: name });
}

/** What a sentence-transformers folder adds, checked against the model inside. */
function sentenceMetadata(
  sentences: SentenceTransformersFolder | undefined,
  kind: ModelSpec["architecture"],
  model: MappedModel,
): MetadataItem[] {
  if (sentences === undefined) return [];
  const { transformer: path, dimension, maxSequenceLength } = sentences;
  if (isDecoder(kind)) {
    const message = `sentence-transformers around ${kind} is not computed (${path})`;
    throw new UnsupportedError(message, { path, field: "modules.json" });
  }
  if (dimension !== undefined && dimension !== model.hiddenSize) {
    const message = `Expected ${model.hiddenSize} for word_embedding_dimension but found ${dimension} (${path})`;
    throw new ModelFileError(message, { path, field: "word_embedding_dimension" });
  }
  if (maxSequenceLength === undefined) return sentences.metadata;
  // Longer texts would fail there, for want of positions: the model's own limit holds.
  const value = Math.min(maxSequenceLength, model.contextLength);
  return [...sentences.metadata, { key: "sentence_transformers.max_seq_length", type: "u32", value }];
}

/** The float type that most of the weights have. */
function ownType(tensors: readonly MappedTensor[]): TensorType {
  const elements = new Map<string, number>();
  for (const { source } of tensors) {
    elements.set(source.dtype, (elements.get(source.dtype) ?? 0) + source.elements);
  }
  const [dtype] = [...elements].sort((a, b) => b[1] - a[1])[0]!;
  return dtype === "F64" ? "F32" : (dtype as TensorType);
}

function plan(source: MappedTensor, type: TensorType): PlannedTensor {
  const { name, shape } = source;
  const typeName = targetType(type, name, shape);
  return { name, shape, source, typeName, type: ggmlType(typeName) };
}

function generalMetadata(architecture: string, name: string, type: TensorType): MetadataItem[] {
  return [
    { key: "general.architecture", type: "string", value: architecture },
    { key: "general.type", type: "string", value: "model" },
    { key: "general.name", type: "string", value: name },
    { key: "general.file_type", type: "u32", value: FILE_TYPE[type] },
    { key: "general.quantization_version", type: "u32", value: QUANTIZATION_VERSION },
  ];
}

/** The checkpoint's own configuration files, byte for byte. */
async function verbatimConfigs(folder: string, config: JsonFile): Promise<MetadataItem[]> {
  const metadata: MetadataItem[] = [{ key: "huggingface.config.json", type: "string", value: config.bytes }];
  if (existsSync(join(folder, "generation_config.json"))) {
    const generation = await JsonFile.read(folder, "generation_config.json");
    metadata.push({ key: "huggingface.generation_config.json", type: "string", value: generation.bytes });
  }
  return metadata;
}

function writeModel(
  path: string,
  metadata: MetadataItem[],
  tensors: PlannedTensor[],
  options: Pick<ConvertOptions, "signal" | "onProgress">,
): Promise<number> {
  const total = tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  const report = progressReporter(total, options.onProgress);
  const writeTensor = (tensor: PlannedTensor, write: (bytes: Uint8Array) => Promise<void>) => {
    return writeTensorData(tensor.source, tensor.typeName, {
      signal: options.signal,
      write: async (bytes) => {
        await write(bytes);
        report(tensor.name, bytes.length);
      },
    });
  };
  return writeGguf(path, { metadata, tensors }, writeTensor, options.signal);
}

function describe(tensors: readonly PlannedTensor[]): Pick<ConvertResult, "parameters" | "tensors"> {
  return {
    parameters: tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
    tensors: tensors.map(({ name, typeName, shape }) => ({ name, type: typeName, shape })),
  };
}
