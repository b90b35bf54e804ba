import { runBatches } from "../batches.js";
import type { EncoderCore } from "../encoder.js";
import {
  inputOptions,
  lengthPolicy,
  oneOrManyInputs,
  tokenizeInputs,
  type InputOptions,
  type TokenizedInput,
} from "../inputs.js";
import { runTask } from "../native.js";
import { checkOptions, expected, integer, oneOf } from "../options.js";
import { requireHead } from "./heads.js";
import { bestLabels, type LabelScore, type ScoreActivation } from "./label-scores.js";
import { encodeRequest } from "./request.js";

/** Options of {@link Encoder.classify}. */
export interface ClassifyOptions extends InputOptions {
  /** At most this many labels, the best first. Default: all. */
  topK?: number;
  /**
   * How logits become scores. Default, by the model's problem type: `"none"` for a regression, `"sigmoid"` where
   * several labels may hold at once or there is only one, else `"softmax"`.
   */
  activation?: ScoreActivation;
}

/** What {@link Encoder.classify} returns for one input. */
export interface Classification {
  /** The best first. */
  readonly predictions: readonly LabelScore[];
  /** The head's logits by label number. */
  readonly logits: Float32Array;
}

/** Classifies one input or many; the method's own limit is the context length. */
export async function classify(
  core: EncoderCore,
  inputs: unknown,
  options: unknown,
): Promise<Classification | Classification[]> {
  const { info } = core;
  const { labels } = info;

  // Arguments
  const { items, isArray } = await oneOrManyInputs(core, inputs);
  const checked = checkOptions(options, "classify", {
    ...inputOptions(
      core,
      items.some((item) => "pair" in item),
    ),
    topK: integer(1, Number.MAX_SAFE_INTEGER),
    activation: oneOf("softmax", "sigmoid", "none"),
  });
  requireHead(core, "sequenceLabels", "classify");
  const { topK = labels.length, activation = defaultActivation(core) } = checked;
  if (activation === "softmax" && labels.length === 1) {
    throw expected('"sigmoid" or "none", the model having one label,', "activation", activation);
  }
  const policy = lengthPolicy(checked, info.contextLength);

  const results = await runBatches<TokenizedInput, Classification>(
    {
      total: items.length,
      prepare: (begin, end, signal) => tokenizeInputs(core, items.slice(begin, end), begin, policy, signal),
      outputSize: () => labels.length,
      async compute(batch, signal) {
        const rows = await sequenceLogits(core, batch, signal);
        return rows.map((logits) => ({
          predictions: bestLabels(logits, labels, activation, topK),
          logits,
        }));
      },
    },
    checked,
  );
  return isArray ? results : results[0]!;
}

/** The classifier's logits of every sequence of a batch, [labels] each. */
export async function sequenceLogits(
  { model }: EncoderCore,
  batch: readonly TokenizedInput[],
  signal: AbortSignal,
): Promise<Float32Array[]> {
  const request = encodeRequest(batch, { sequenceLogits: true });
  const logits = (await runTask(() => model.encode(request), signal)).sequenceLogits!;
  const labels = logits.length / batch.length;
  return batch.map((_, i) => logits.slice(i * labels, (i + 1) * labels));
}

/** As Hugging Face's text-classification pipeline chooses. */
function defaultActivation({ info }: EncoderCore): ScoreActivation {
  if (info.problemType === "regression") return "none";
  return info.problemType === "multi_label_classification" || info.labels.length === 1
    ? "sigmoid"
    : "softmax";
}
