/** The heads of BERT and its kin: which a class has, what the checkpoint and the file call them. */
import { crossEncoderActivation, PROBLEM_TYPES, problemTypeByName } from "../gguf/classifier.js";
import type { MetadataItem } from "../gguf/writer.js";
import type { ModelSpec } from "../native.js";
import type { EncoderConfig } from "./encoder-config.js";
import type { JsonFile } from "./json-file.js";
import type { TensorMapper } from "./tensor-mapper.js";

export type Head = "pooler" | "mlm" | "nsp" | "sop" | "rtd" | "sequence" | "token" | "qa";

/** The heads each class of the transformers library has; others may be there too and are kept. */
export type RequiredHeads = Readonly<Record<string, readonly Head[]>>;

/** The classes of a family, by what follows its name. */
export function classesOf(families: readonly string[], heads: RequiredHeads): RequiredHeads {
  const classes = families.flatMap((family) =>
    Object.entries(heads).map(([suffix, required]) => [family + suffix, required] as const),
  );
  return Object.fromEntries(classes);
}

/** The checkpoint's names of the heads it may have. */
export interface HeadNames {
  pooler?: string;
  mlm?: { transform: string; norm: string; output: string; bias: string };
  nsp?: string;
  /** Sentence order, of ALBERT. */
  sop?: string;
  /** Replaced tokens, of ELECTRA. */
  rtd?: { transform: string; output: string };
  /** The classifier over the pooler's output, or over every token. */
  classifier: string;
}

/** Maps each head that the class has or the checkpoint brings; returns the number of labels. */
export function mapHeads(
  mapper: TensorMapper,
  { vocabSize: V, hiddenSize: H, tied, embeddingSize: E = H }: EncoderConfig & { embeddingSize?: number },
  required: readonly Head[],
  { pooler, mlm, nsp, sop, rtd, classifier }: HeadNames,
): number {
  const present = (head: Head, source: string) =>
    required.includes(head) || mapper.find(`${source}.weight`) !== undefined;

  if (pooler && present("pooler", pooler)) mapper.linear(pooler, "cls", H, H);
  if (mlm && present("mlm", mlm.transform)) {
    mapper.linear(mlm.transform, "mlm.transform", E, H);
    mapper.norm(mlm.norm, "mlm.transform_norm", E);
    // The decoder's bias is the same parameter as this one; checkpoints have either or both.
    const own = mapper.find(mlm.bias) !== undefined;
    mapper.map(own ? mlm.bias : `${mlm.output}.bias`, "mlm.output.bias", [V]);
    mapper.ignoreName(`${mlm.output}.bias`);
    if (tied) mapper.ignoreName(`${mlm.output}.weight`);
    else mapper.map(`${mlm.output}.weight`, "mlm.output.weight", [V, E]);
  }
  if (nsp && present("nsp", nsp)) mapper.linear(nsp, "nsp", 2, H);
  if (sop && present("sop", sop)) mapper.linear(sop, "sop", 2, H);
  if (rtd && present("rtd", rtd.transform)) {
    mapper.linear(rtd.transform, "rtd.transform", H, H);
    mapper.linear(rtd.output, "rtd.output", 1, H);
  }
  if (present("qa", "qa_outputs")) mapper.linear("qa_outputs", "qa", 2, H);
  return mapClassifier(mapper, H, required, classifier);
}

function mapClassifier(mapper: TensorMapper, H: number, required: readonly Head[], name: string): number {
  const target = required.includes("sequence") ? "cls.output" : required.includes("token") ? "token_cls" : "";
  if (target === "") return 0;
  const labels = mapper.find(`${name}.weight`)?.shape[0] ?? 1;
  mapper.linear(name, target, labels, H);
  return labels;
}

/** The names in `id2label`, or the numbered ones the transformers library gives, and what the scores mean. */
export function labelMetadata(
  architecture: ModelSpec["architecture"],
  config: JsonFile,
  count: number,
): MetadataItem[] {
  if (count === 0) return [];
  const named = config.value["id2label"] as Record<string, unknown> | null | undefined;
  const value = Array.from({ length: count }, (_, i) => String(named?.[i] ?? `LABEL_${i}`));
  const key = `${architecture}.classifier.output_labels`;
  return [{ key, type: "array", itemType: "string", value }, ...classifierMetadata(architecture, config)];
}

/** How the classifier's logits become scores, as far as the configuration says. */
function classifierMetadata(architecture: ModelSpec["architecture"], file: JsonFile): MetadataItem[] {
  const stated = file.value["problem_type"] ?? undefined;
  const problemType = problemTypeByName(stated);
  if (stated !== undefined && problemType === undefined) {
    throw file.error("problem_type", `one of ${PROBLEM_TYPES.join(", ")}`);
  }
  const entries = { problem_type: problemType, activation: crossEncoderActivation(file.value) };
  return Object.entries(entries).flatMap(([name, value]): MetadataItem[] => {
    const key = `${architecture}.classifier.${name}`;
    return value === undefined ? [] : [{ key, type: "string", value }];
  });
}
