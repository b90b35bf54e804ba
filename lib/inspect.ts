/** What a GGUF file holds and what this package can do with it. */
import { targetType } from "./convert/target-type.js";
import { UnsupportedError } from "./errors.js";
import { entailmentLabel, type ProblemType } from "./gguf/classifier.js";
import { LongText, StringArray, type MetadataValue } from "./gguf/metadata.js";
import { readGguf, type GgufFile, type GgufTensor } from "./gguf/reader.js";
import { FILE_TYPE, isTensorType } from "./gguf/types.js";
import { modelFromGguf, resolveModel, type EncoderFile, type ModelFile } from "./model-file.js";
import type { DecoderHyperparameters, EncoderHyperparameters, PoolingMode, TensorType } from "./native.js";
import { checkOptions, nonEmptyString, signal } from "./options.js";

/** What a file can be used for; the names are those of the command line. */
export type Task =
  | "embed"
  | "embed-sparse"
  | "fill-mask"
  | "next-sentence"
  | "pseudo-log-likelihood"
  | "bias-probe"
  | "classify"
  | "classify-zero-shot"
  | "rerank"
  | "recognize-entities"
  | "answer"
  | "generate"
  | "score";

/** The tensors of one type. */
export interface TypeSummary {
  /** GGML's name. */
  readonly type: string;
  /** Number of tensors. */
  readonly tensors: number;
  /** Number of weights in them. */
  readonly parameters: number;
  /** Size of their data in bytes. */
  readonly bytes: number;
}

/** A weight that has another type than the file's. */
export interface TypeException {
  /** Name of the tensor. */
  readonly name: string;
  /** Its type, by GGML's name. */
  readonly type: string;
  /** Innermost dimension first. */
  readonly shape: readonly number[];
  /** `"width"`: the file's type cannot hold rows of that width; `"choice"`: whoever made the file chose so. */
  readonly reason: "width" | "choice";
}

/** What the file says of its tokenizer. */
export interface TokenizerSummary {
  /** llama.cpp's name of the model: `"bert"` is WordPiece, `"gpt2"` byte-level BPE. */
  readonly kind: string;
  /** Tokens. */
  readonly size: number;
  /** Whether the file carries the original tokenizer.json. */
  readonly original: boolean;
}

/** How the model embeds; absent entries are not stated in the file. */
export interface EmbeddingSummary {
  /** How the vectors of the tokens become one. */
  readonly pooling?: PoolingMode;
  /** Whether embeddings are scaled to unit length. */
  readonly normalize?: boolean;
  /** Most tokens of a text, special tokens included. */
  readonly maxSequenceLength?: number;
  /** Prompts by name. */
  readonly prompts: Readonly<Record<string, string>>;
  /** The prompt used when none is asked for. */
  readonly defaultPromptName?: string;
}

/** What {@link inspect} returns. */
export interface Inspection {
  /** Absolute path. */
  readonly path: string;
  /** In bytes. */
  readonly fileSize: number;
  /** 2 or 3. */
  readonly ggufVersion: number;
  /** `general.name`, else the file's name. */
  readonly name: string;
  /** `general.architecture`. */
  readonly architecture: string;
  /** Number of weights. */
  readonly parameters: number;
  /** Type of most weights. */
  readonly type: string;
  /** Largest first. */
  readonly types: readonly TypeSummary[];
  /** Weights that could have the file's type and do not. */
  readonly exceptions: readonly TypeException[];
  /** All tensors, in the order of the file. */
  readonly tensors: readonly {
    /** llama.cpp's name. */
    readonly name: string;
    /** GGML's name of its type. */
    readonly type: string;
    /** Innermost dimension first. */
    readonly shape: readonly number[];
  }[];
  /** Absent when the file has none. */
  readonly tokenizer?: TokenizerSummary;
  /** Why the package cannot run it; the entries below are then absent and `tasks` is empty. */
  readonly problem?: string;
  /** What it can be used for. */
  readonly tasks: readonly Task[];
  /** Heads in the file, for example `"pooler"`, `"mlm"`. */
  readonly heads: readonly string[];
  /** Most tokens of one sequence. */
  readonly contextLength?: number;
  /** The sizes of the graph, as its architecture names them. */
  readonly hyperparameters?: Readonly<EncoderHyperparameters> | Readonly<DecoderHyperparameters>;
  /** Of encoders. */
  readonly embedding?: EmbeddingSummary;
  /** Names of a classifier's labels, by label number. */
  readonly labels?: readonly string[];
  /** What a classifier's labels are to each other, where the file says. */
  readonly problemType?: ProblemType;
}

/** Options of {@link inspect}. */
export interface InspectOptions {
  /** Aborts the reading; it then rejects with an `AbortError`. */
  signal?: AbortSignal;
}

/**
 * Reads a GGUF file's header; no weight is loaded and the addon is not needed. Sound files of architectures
 * this package does not compute are described too, with the reason in `problem`.
 *
 * @param pathOrName - A path, or the name of an embedded model.
 * @throws ModelFileError when the file is not a sound GGUF file.
 * @throws AbortError when `signal` fires.
 */
export async function inspect(pathOrName: string, options: InspectOptions = {}): Promise<Inspection> {
  const checked = checkOptions(options, "inspect", { signal });
  const path = await resolveModel(nonEmptyString(pathOrName, "pathOrName"));
  const file = await readGguf(path, checked);
  const { model, problem } = tryModel(file);
  const types = summarizeTypes(file.tensors);
  const type = mainType(file, types);
  return {
    path,
    fileSize: file.fileSize,
    ggufVersion: file.version,
    name: model?.name ?? String(value(file, "general.name") ?? path),
    architecture: String(value(file, "general.architecture") ?? "unknown"),
    parameters: file.tensors.reduce((sum, { elements }) => sum + elements, 0),
    type,
    types,
    exceptions: isTensorType(type) ? findExceptions(file.tensors, type) : [],
    tensors: file.tensors.map(({ name, type: { name: typeName }, shape }) => ({
      name,
      type: typeName,
      shape,
    })),
    tokenizer: summarizeTokenizer(file),
    problem,
    tasks: model === undefined ? [] : tasksOf(model),
    heads: model === undefined ? [] : headsOf(model),
    contextLength: model?.hyperparameters.contextLength,
    hyperparameters: model?.hyperparameters,
    ...(model?.kind === "encoder" && { embedding: model.sentenceTransformers }),
    ...(model !== undefined && model.labels.length > 0 && classifierOf(model)),
  };
}

function classifierOf({
  labels,
  classifier: { problemType },
}: ModelFile): Pick<Inspection, "labels" | "problemType"> {
  return problemType === undefined ? { labels } : { labels, problemType };
}

function tryModel(file: GgufFile): { model?: ModelFile; problem?: string } {
  try {
    return { model: modelFromGguf(file) };
  } catch (error) {
    if (error instanceof UnsupportedError) return { problem: error.message };
    throw error;
  }
}

function value(file: GgufFile, key: string): MetadataValue | undefined {
  return file.metadata.get(key)?.value;
}

// ---- types

function summarizeTypes(tensors: readonly GgufTensor[]): TypeSummary[] {
  const sums = new Map<string, { type: string; tensors: number; parameters: number; bytes: number }>();
  for (const { type, elements, bytes } of tensors) {
    const sum = sums.get(type.name) ?? { type: type.name, tensors: 0, parameters: 0, bytes: 0 };
    sum.tensors += 1;
    sum.parameters += elements;
    sum.bytes += bytes;
    sums.set(type.name, sum);
  }
  return [...sums.values()].sort((a, b) => b.bytes - a.bytes);
}

/** The type the file says it has, else the one of most weights. llama.cpp's mixtures have numbers of their own. */
function mainType(file: GgufFile, types: readonly TypeSummary[]): string {
  const number = value(file, "general.file_type");
  const mixtures: Record<string, TensorType> = { 15: "Q4_K", 17: "Q5_K" };
  const named = Object.entries(FILE_TYPE).find(([, id]) => id === number)?.[0] ?? mixtures[String(number)];
  const stated = types.some(({ type }) => type === named) ? named : undefined;
  return stated ?? [...types].sort((a, b) => b.parameters - a.parameters)[0]?.type ?? "none";
}

function findExceptions(tensors: readonly GgufTensor[], type: TensorType): TypeException[] {
  const exceptions: TypeException[] = [];
  for (const { name, type: actual, shape } of tensors) {
    const ruled = targetType(type, name, shape);
    if (actual.name === type || (actual.name === "F32" && ruled === "F32")) continue;
    const reason = actual.name === ruled ? "width" : "choice";
    exceptions.push({ name, type: actual.name, shape, reason });
  }
  return exceptions;
}

// ---- uses

function headsOf(model: ModelFile): string[] {
  if (model.kind === "decoder") {
    const { languageModel, sequenceLabels } = model.heads;
    const lm = { own: ["lm"], tied: ["lm (tied to the embedding)"], none: [] }[languageModel];
    return sequenceLabels > 0 ? [...lm, "sequence-classifier"] : lm;
  }
  const { heads } = model;
  const present: [string, boolean][] = [
    ["pooler", heads.pooler],
    ["mlm", heads.mlm],
    ["next-sentence", heads.nextSentence],
    ["sequence-classifier", heads.sequenceLabels > 0],
    ["token-classifier", heads.tokenLabels > 0],
    ["question-answering", heads.questionAnswering],
    ["replaced-token", heads.replacedTokens],
  ];
  return present.filter(([, there]) => there).map(([name]) => name);
}

function tasksOf(model: ModelFile): Task[] {
  if (model.kind === "encoder") return encoderTasks(model);
  const { languageModel, sequenceLabels } = model.heads;
  const possible: [Task, boolean][] = [
    ["generate", languageModel !== "none"],
    ["score", languageModel !== "none"],
    ["classify", sequenceLabels > 0],
  ];
  return possible.filter(([, can]) => can).map(([task]) => task);
}

function encoderTasks({ architecture, heads, labels, sentenceTransformers }: EncoderFile): Task[] {
  // A classifier stands on the pooler's output; llama.cpp's converter leaves the pooler out.
  const classifies = heads.sequenceLabels > 0 && (heads.pooler || architecture === "modern-bert");
  const possible: [Task, boolean][] = [
    ["embed", true],
    // Any masked-token head gives the numbers; only one that was trained for it gives good ones.
    ["embed-sparse", heads.mlm && sentenceTransformers.sparsePooling !== undefined],
    ["fill-mask", heads.mlm],
    ["next-sentence", heads.nextSentence],
    ["pseudo-log-likelihood", heads.mlm],
    ["bias-probe", heads.mlm],
    ["classify", classifies],
    ["classify-zero-shot", classifies && entailmentLabel(labels) !== undefined],
    ["rerank", classifies && heads.sequenceLabels === 1],
    ["recognize-entities", heads.tokenLabels > 0],
    ["answer", heads.questionAnswering],
  ];
  return possible.filter(([, can]) => can).map(([task]) => task);
}

function summarizeTokenizer(file: GgufFile): TokenizerSummary | undefined {
  const kind = value(file, "tokenizer.ggml.model");
  const tokens = value(file, "tokenizer.ggml.tokens");
  if (typeof kind !== "string" || !(tokens instanceof StringArray)) return undefined;
  const json = value(file, "tokenizer.huggingface.json");
  const original = typeof json === "string" || json instanceof LongText;
  return { kind, size: tokens.length, original };
}
