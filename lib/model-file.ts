/** A model file ready to be loaded: found, parsed, and checked against its architecture. */
import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { embeddedModels, MODELS_PACKAGE } from "./embedded-models.js";
import { ModelFileError } from "./errors.js";
import type { EncoderHeads } from "./gguf/bert-file.js";
import { readClassifier, type ClassifierInfo } from "./gguf/classifier.js";
import { readDense, type DenseLayers } from "./gguf/dense.js";
import { isDecoder, readDecoder, type DecoderHeads } from "./gguf/decoders.js";
import { isEncoder, readEncoder, unknownArchitecture } from "./gguf/encoders.js";
import { MetadataReader, type MetadataValue } from "./gguf/metadata.js";
import { unsupportedKey, type ModelSource } from "./gguf/model-keys.js";
import { readGguf, type GgufFile, type GgufTensor } from "./gguf/reader.js";
import { readSentenceTransformers, type SentenceTransformersInfo } from "./gguf/sentence-transformers.js";
import { TensorChecker } from "./gguf/tensor-rules.js";
import type {
  DecoderArchitecture,
  DecoderHyperparameters,
  EncoderArchitecture,
  EncoderHyperparameters,
  ModelSpec,
  TensorType,
} from "./native.js";

interface ModelFileBase {
  /** Absolute path. */
  path: string;
  /** Bytes. */
  fileSize: number;
  /** `general.name`, else the file's name without its extension. */
  name: string;
  /** What the addon loads. */
  spec: ModelSpec;
  /** Every key of the file. */
  metadata: ReadonlyMap<string, MetadataValue>;
  tensors: readonly GgufTensor[];
  /** The checkpoint's own `config.json`, when the file carries it. */
  config?: Readonly<Record<string, unknown>>;
}

/** A BERT-family model. */
export interface EncoderFile extends ModelFileBase {
  kind: "encoder";
  architecture: EncoderArchitecture;
  hyperparameters: EncoderHyperparameters;
  heads: EncoderHeads;
  /** Names of the classifier's labels, by label number; empty without a classifier. */
  labels: string[];
  classifier: ClassifierInfo;
  sentenceTransformers: SentenceTransformersInfo;
  /** What pooled vectors go through. */
  dense: DenseLayers;
}

/** A GPT-2-family model. */
export interface DecoderFile extends ModelFileBase {
  kind: "decoder";
  architecture: DecoderArchitecture;
  hyperparameters: DecoderHyperparameters;
  heads: DecoderHeads;
  /** Names of the classifier's labels, by label number; empty without a classifier. */
  labels: string[];
  classifier: ClassifierInfo;
}

export type ModelFile = EncoderFile | DecoderFile;

/**
 * Reads the header of a GGUF file and checks that it is a whole model of an architecture computed here.
 *
 * @param pathOrName - A path, or the name of an embedded model; see {@link resolveModel}.
 * @throws ModelFileError naming the header field, key or tensor that is missing or wrong.
 * @throws UnsupportedError naming the architecture, key or tensor that is sound but not computed.
 */
export async function openModelFile(
  pathOrName: string,
  options: { signal?: AbortSignal } = {},
): Promise<ModelFile> {
  const path = await resolveModel(pathOrName);
  return modelFromGguf(await readGguf(path, options));
}

/** The model in a GGUF file whose header has been read. */
export function modelFromGguf(file: GgufFile): ModelFile {
  const { path, fileSize, tensors } = file;
  const metadata = new Map<string, MetadataValue>();
  for (const [key, entry] of file.metadata) metadata.set(key, entry.value);
  const keys = new MetadataReader(path, metadata);
  const architecture = readArchitecture(path, keys);
  const config = keys.optionalJsonObject("huggingface.config.json");
  const source: ModelSource = { path, keys, tensors: new TensorChecker(file), config };
  const name = keys.optionalString("general.name") || basename(path).replace(/\.gguf$/i, "");
  const base = { path, fileSize, name, metadata, tensors, config };
  const model = isDecoder(architecture)
    ? decoderFile(architecture, source, file, base)
    : encoderFile(architecture, source, file, base);
  source.tensors.finish();
  checkVocabulary(keys, metadata, model.hyperparameters.vocabSize);
  return model;
}

function readArchitecture(path: string, keys: MetadataReader): ModelSpec["architecture"] {
  const architecture = keys.string("general.architecture");
  const type = keys.optionalString("general.type") ?? "model";
  if (type !== "model") throw unsupportedKey({ path }, "general.type", type);
  const parts = keys.optionalInteger("split.count", 0, 65_535) ?? 1;
  if (parts > 1) throw unsupportedKey({ path }, "split.count", parts);
  if (isEncoder(architecture) || isDecoder(architecture)) return architecture;
  throw unknownArchitecture(path, architecture);
}

function encoderFile(
  architecture: EncoderArchitecture,
  source: ModelSource,
  file: GgufFile,
  base: Omit<ModelFileBase, "spec">,
): EncoderFile {
  const { hyperparameters, heads } = readEncoder(architecture, source);
  const dense = readDense(source, hyperparameters.embeddingLength);
  if (dense.activations.length > 0) hyperparameters.denseActivations = dense.activations.join();
  const labels = readLabels(architecture, source, heads.sequenceLabels || heads.tokenLabels);
  return {
    ...base,
    kind: "encoder",
    architecture,
    hyperparameters,
    spec: makeSpec(file, architecture, hyperparameters),
    heads,
    labels,
    classifier: labels.length > 0 ? readClassifier(architecture, source) : {},
    sentenceTransformers: readSentenceTransformers(source.keys, hyperparameters.contextLength),
    dense,
  };
}

function decoderFile(
  architecture: DecoderArchitecture,
  source: ModelSource,
  file: GgufFile,
  base: Omit<ModelFileBase, "spec">,
): DecoderFile {
  const { hyperparameters, heads } = readDecoder(architecture, source);
  const labels = readLabels(architecture, source, heads.sequenceLabels);
  return {
    ...base,
    kind: "decoder",
    architecture,
    hyperparameters,
    spec: makeSpec(file, architecture, hyperparameters),
    heads,
    labels,
    classifier: labels.length > 0 ? readClassifier(architecture, source) : {},
  };
}

function makeSpec(
  { path, tensors }: GgufFile,
  architecture: ModelSpec["architecture"],
  hyperparameters: ModelSpec["hyperparameters"],
): ModelSpec {
  const table = tensors.map(({ name, type, shape, offset }) => ({
    name,
    // TensorChecker.finish refuses every other type before the specification leaves this module.
    type: type.name as TensorType,
    shape,
    offset,
  }));
  return { path, architecture, hyperparameters, tensors: table };
}

/** The file's labels, else the configuration's, else the numbered ones Hugging Face would give. */
function readLabels(
  architecture: ModelSpec["architecture"],
  { keys, config }: ModelSource,
  count: number,
): string[] {
  if (count === 0) return [];
  const key = `${architecture}.classifier.output_labels`;
  const written = keys.optionalStrings(key);
  if (written !== undefined && written.length !== count) throw keys.error(key, `${count} labels`, written);
  const named = config?.["id2label"] as Record<string, unknown> | null | undefined;
  return written ?? Array.from({ length: count }, (_, i) => String(named?.[i] ?? `LABEL_${i}`));
}

/** Every token of the vocabulary has a row of the embedding. */
function checkVocabulary(
  keys: MetadataReader,
  metadata: ReadonlyMap<string, MetadataValue>,
  vocabSize: number,
): void {
  const key = "tokenizer.ggml.tokens";
  const tokens = metadata.get(key);
  if (tokens === undefined) return;
  const length = typeof tokens === "object" && "length" in tokens ? tokens.length : -1;
  if (length !== vocabSize)
    throw keys.error(key, `${vocabSize} tokens, one per row of token_embd.weight`, tokens);
}

// ---- names

/**
 * The absolute path of a model: the name of an embedded one (`"mini-embed"`), else a path.
 *
 * @param from - Where the search for the embedded models begins; tests give another folder.
 * @throws ModelFileError `MODEL_FILE_NOT_FOUND`, with the embedded names, when there is neither.
 */
export async function resolveModel(pathOrName: string, from: string = __dirname): Promise<string> {
  const embedded = embeddedModels(from);
  const known = embedded?.get(pathOrName);
  if (known !== undefined) return known;
  const path = resolve(pathOrName);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) {
    const message = `Expected a GGUF file but ${path} is a folder: convert() makes a GGUF file from a checkpoint`;
    throw new ModelFileError(message, { path, field: "path" });
  }
  if (found !== undefined && !found.isFile()) {
    // Opening a pipe would wait for a writer.
    throw new ModelFileError(`Expected a file but ${path} is not one`, { path, field: "path" });
  }
  if (found === undefined) throw notFound(pathOrName, path, embedded && [...embedded.keys()]);
  return path;
}

function notFound(pathOrName: string, path: string, known: string[] | undefined): ModelFileError {
  const message = `Expected a path or the name of an embedded model but received ${JSON.stringify(pathOrName)}`;
  const embedded = known
    ? `embedded models: ${known.join(", ")}`
    : `the embedded models are not installed: npm install ${MODELS_PACKAGE}`;
  return new ModelFileError(
    `${message} and there is no file ${path}; ${embedded}`,
    { path, known: known ?? [] },
    "MODEL_FILE_NOT_FOUND",
  );
}
