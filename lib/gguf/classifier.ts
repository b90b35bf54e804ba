/** What a file says about its classifier besides the labels: how logits become scores. */
import { isObject } from "../options.js";
import type { ModelSpec } from "../native.js";
import type { ModelSource } from "./model-keys.js";

export const PROBLEM_TYPES = [
  "regression",
  "single_label_classification",
  "multi_label_classification",
] as const;

/** What a classifier's labels are to each other, as Hugging Face names it. */
export type ProblemType = (typeof PROBLEM_TYPES)[number];

export interface ClassifierInfo {
  /** Absent when neither the file nor the configuration it carries says. */
  problemType?: ProblemType;
  /** The function that a cross-encoder of sentence-transformers applies to its logits, by its name there. */
  activation?: string;
}

/** The file's own keys, else the configuration's entries. */
export function readClassifier(
  architecture: ModelSpec["architecture"],
  { keys, config = {} }: ModelSource,
): ClassifierInfo {
  const key = `${architecture}.classifier.problem_type`;
  const name = keys.optionalString(key) ?? config["problem_type"] ?? undefined;
  const problemType = problemTypeByName(name);
  if (name !== undefined && problemType === undefined) {
    throw keys.error(key, `one of ${PROBLEM_TYPES.join(", ")}`, String(name));
  }
  const activation =
    keys.optionalString(`${architecture}.classifier.activation`) ?? crossEncoderActivation(config);
  return { problemType, activation };
}

export function problemTypeByName(name: unknown): ProblemType | undefined {
  return PROBLEM_TYPES.find((each) => each === name);
}

/** Which label says that the second text follows from the first; undefined when none does. */
export function entailmentLabel(labels: readonly string[]): number | undefined {
  const index = labels.findIndex((label) => /^entail/i.test(label));
  return index < 0 ? undefined : index;
}

/** What sentence-transformers notes in a cross-encoder's configuration: since version 4, and before. */
export function crossEncoderActivation(config: Readonly<Record<string, unknown>>): string | undefined {
  const section = config["sentence_transformers"];
  const named = isObject(section) ? section["activation_fn"] : undefined;
  const name = named ?? config["sbert_ce_default_activation_function"];
  return typeof name === "string" ? name : undefined;
}
