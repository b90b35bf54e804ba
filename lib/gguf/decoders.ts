/** The decoders that are computed: what their files have to hold. */
import type { DecoderArchitecture, DecoderHyperparameters } from "../native.js";
import { checkGpt2Tensors, readGpt2Hyperparameters } from "./gpt2-file.js";
import { checkGptNeoxTensors, readGptNeoxHyperparameters } from "./gpt-neox-file.js";
import type { ModelSource } from "./model-keys.js";
import type { TensorChecker } from "./tensor-rules.js";

/** What stands on a decoder's last hidden state. */
export interface DecoderHeads {
  /** The logits' matrix: of its own, the token embedding, or none, in a checkpoint of a model without it. */
  languageModel: "own" | "tied" | "none";
  /** Labels of the classifier over the last token; 0: none. */
  sequenceLabels: number;
}

export interface ReadDecoder {
  hyperparameters: DecoderHyperparameters;
  heads: DecoderHeads;
}

/** How the files of an architecture are read. */
interface DecoderReader {
  /** Whether the output layer is the token embedding where the configuration does not say. */
  tied: boolean;
  read(source: ModelSource): DecoderHyperparameters;
}

const READERS: Readonly<Record<DecoderArchitecture, DecoderReader>> = {
  gpt2: { tied: true, read: (source) => readGpt2(source, "gpt2") },
  starcoder: { tied: true, read: (source) => readGpt2(source, "starcoder") },
  gptneox: { tied: false, read: readGptNeox },
};

export const DECODERS: readonly string[] = Object.keys(READERS);

export function isDecoder(architecture: string): architecture is DecoderArchitecture {
  return Object.hasOwn(READERS, architecture);
}

export function readDecoder(architecture: DecoderArchitecture, source: ModelSource): ReadDecoder {
  const { tied, read } = READERS[architecture];
  const hyperparameters = read(source);
  return { hyperparameters, heads: readHeads(source, hyperparameters, tied) };
}

function readGpt2(source: ModelSource, architecture: "gpt2" | "starcoder"): DecoderHyperparameters {
  const hyperparameters = readGpt2Hyperparameters(source, architecture);
  checkGpt2Tensors(source, hyperparameters);
  return hyperparameters;
}

function readGptNeox(source: ModelSource): DecoderHyperparameters {
  const hyperparameters = readGptNeoxHyperparameters(source);
  checkGptNeoxTensors(source, hyperparameters);
  return hyperparameters;
}

function readHeads(
  { tensors, config }: ModelSource,
  { vocabSize: V }: DecoderHyperparameters,
  tiedByDefault: boolean,
): DecoderHeads {
  const [E] = tensors.matrix("token_embd.weight");
  const own = tensors.optional([{ name: "output.weight", shape: [E, V] }]);
  const sequenceLabels = countLabels(tensors, E);
  // A file without a configuration is another program's: its output layer is there, or tied.
  const tied = config === undefined || (config["tie_word_embeddings"] ?? tiedByDefault) === true;
  return { languageModel: own ? "own" : tied ? "tied" : "none", sequenceLabels };
}

function countLabels(tensors: TensorChecker, E: number): number {
  const name = "cls.output.weight";
  if (!tensors.has(name)) return 0;
  const [, labels] = tensors.matrix(name);
  tensors.require([{ name, shape: [E, labels] }]);
  return labels;
}
