/** The heads of decoders: the matrix that logits are products with, and the classifier over the last token. */
import type { MetadataItem } from "../gguf/writer.js";
import type { DecoderArchitecture } from "../native.js";
import { labelMetadata } from "./encoder-heads.js";
import type { JsonFile } from "./json-file.js";
import type { TensorMapper } from "./tensor-mapper.js";

export interface DecoderHeadSettings {
  architecture: DecoderArchitecture;
  /** The checkpoint's class. */
  className: string;
  /** Its name of the output layer. */
  output: string;
  /** Whether that is the token embedding. */
  tied: boolean;
  vocabSize: number; // V
  /** Width of the embeddings, E. */
  width: number;
}

/** Maps the heads that the class has; returns what the file says of the classifier's labels. */
export function mapDecoderHeads(
  mapper: TensorMapper,
  file: JsonFile,
  { architecture, className, output, tied, vocabSize: V, width: E }: DecoderHeadSettings,
): MetadataItem[] {
  const classifies = className.endsWith("ForSequenceClassification");
  const isBase = className.endsWith("Model") && !className.endsWith("LMHeadModel");
  // A classifier has no other head.
  if (tied || classifies) mapper.ignoreName(`${output}.weight`);
  else if (!isBase || mapper.find(`${output}.weight`) !== undefined)
    mapper.map(`${output}.weight`, "output.weight", [V, E]);
  if (!classifies) return [];
  const labels = mapper.find("score.weight")?.shape[0] ?? 1;
  mapper.map("score.weight", "cls.output.weight", [labels, E]);
  return labelMetadata(architecture, file, labels);
}
