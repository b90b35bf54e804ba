import type { EncoderCore } from "../encoder.js";
import { UnsupportedError } from "../errors.js";
import { entailmentLabel } from "../gguf/classifier.js";
import {
  inputOptions,
  lengthPolicy,
  oneOrManyTexts,
  tokenizeInputs,
  type InputOptions,
  type LengthPolicy,
  type TokenizedInput,
} from "../inputs.js";
import { boolean, checkOptions, expected, nonEmptyString, type Check } from "../options.js";
import { runParts } from "../parts.js";
import { sequenceLogits } from "./classify.js";
import { requireHead } from "./heads.js";
import { softmaxInPlace, type LabelScore } from "./label-scores.js";

/** Options of {@link Encoder.classifyZeroShot}. Of a text that is too long, the hypothesis is never cut. */
export interface ZeroShotOptions extends InputOptions {
  /** The sentence a label becomes, with `{}` for the label. Default: `"This example is {}."`. */
  hypothesis?: string;
  /** Whether several labels may hold at once: each is then scored on its own. Default: false. */
  multiLabel?: boolean;
}

/** What {@link Encoder.classifyZeroShot} returns for one text. */
export interface ZeroShotClassification {
  /** All labels, the best first; `index` counts the labels given. */
  readonly predictions: readonly LabelScore[];
}

/** Texts times labels prepared at once. */
const PAIRS = 256;

/** Classifies by entailment (Yin, Hay & Roth, arXiv:1909.00161); the method's own limit is the context length. */
export async function classifyZeroShot(
  core: EncoderCore,
  texts: unknown,
  labels: unknown,
  options: unknown,
): Promise<ZeroShotClassification | ZeroShotClassification[]> {
  // Arguments
  const { items, isArray } = await oneOrManyTexts(texts);
  const names = labelList(labels, "labels");
  const checked = checkOptions(options, "classifyZeroShot", {
    ...inputOptions(core, true),
    hypothesis: template,
    multiLabel: boolean,
  });
  requireHead(core, "sequenceLabels", "classifyZeroShot");
  const outputs = entailmentOutputs(core);
  const { hypothesis = "This example is {}.", multiLabel = false } = checked;
  const hypotheses = names.map((name) => hypothesis.split("{}").join(name));
  const policy = lengthPolicy(checked, core.info.contextLength);

  const results = await runParts<TokenizedInput, Float32Array, ZeroShotClassification>(
    {
      total: items.length,
      inputsAtOnce: Math.ceil(PAIRS / names.length),
      async prepare(begin, end, signal) {
        const prepared: TokenizedInput[][] = [];
        for (const [i, text] of items.slice(begin, end).entries()) {
          prepared.push(await tokenizePairs(core, text, hypotheses, begin + i, policy, signal));
        }
        return prepared;
      },
      outputSize: () => core.info.labels.length,
      compute: (batch, signal) => sequenceLogits(core, batch, signal),
      merge: (logits) => {
        const scores = multiLabel || names.length === 1 ? each(logits, outputs) : together(logits, outputs);
        return { predictions: ranked(names, scores) };
      },
    },
    checked,
  );
  return isArray ? results : results[0]!;
}

const labelList: Check<string[]> = (value, name) => {
  if (!Array.isArray(value) || value.length === 0) {
    throw expected("an array of one label or more", name, value);
  }
  return Array.from(value, (label, i) => nonEmptyString(label, `${name}[${i}]`));
};

const template: Check<string> = (value, name) => {
  if (typeof value === "string" && value.includes("{}")) return value;
  throw expected("a sentence with {} for the label", name, value);
};

/** Numbers of the logits that count. */
interface EntailmentOutputs {
  readonly entailment: number;
  readonly contradiction: number;
}

function entailmentOutputs({ info }: EncoderCore): EntailmentOutputs {
  const { labels } = info;
  const entailment = entailmentLabel(labels);
  if (entailment === undefined || labels.length < 2) {
    throw new UnsupportedError(
      `${info.name} has no label for entailment among ${labels.join(", ")}, which classifyZeroShot needs`,
      { head: "sequenceLabels", labels },
    );
  }
  const named = labels.findIndex((label) => /^(contra|not.?entail)/i.test(label));
  // Otherwise as Hugging Face's pipeline: at the other end.
  const contradiction = named >= 0 ? named : entailment === 0 ? labels.length - 1 : 0;
  return { entailment, contradiction };
}

/** One pair per hypothesis. That the text was cut is told once. */
async function tokenizePairs(
  core: EncoderCore,
  text: string,
  hypotheses: readonly string[],
  index: number,
  policy: LengthPolicy,
  signal: AbortSignal,
): Promise<TokenizedInput[]> {
  let isTold = false;
  const onTruncate: LengthPolicy["onTruncate"] = (truncation) => {
    if (!isTold) policy.onTruncate?.(truncation);
    isTold = true;
  };
  const pairPolicy: LengthPolicy = { ...policy, truncation: "only_first", onTruncate };
  const pairs: TokenizedInput[] = [];
  for (const pair of hypotheses) {
    pairs.push(...(await tokenizeInputs(core, [{ text, pair }], index, pairPolicy, signal)));
  }
  return pairs;
}

/** Probability of each label against its own contradiction. */
function each(
  logits: readonly Float32Array[],
  { entailment, contradiction }: EntailmentOutputs,
): Float64Array {
  return Float64Array.from(logits, (row) => 1 / (1 + Math.exp(row[contradiction]! - row[entailment]!)));
}

/** Probability of each label against the others. */
function together(logits: readonly Float32Array[], { entailment }: EntailmentOutputs): Float64Array {
  return softmaxInPlace(Float64Array.from(logits, (row) => row[entailment]!));
}

function ranked(labels: readonly string[], scores: Float64Array): LabelScore[] {
  const order = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || a - b);
  return order.map((index) => ({ label: labels[index]!, index, score: scores[index]! }));
}
