import type { EncoderCore } from "../encoder.js";
import { UnsupportedError } from "../errors.js";
import { checkEach } from "../inputs.js";
import { checkOptions, expected, integer, oneOf, string } from "../options.js";
import { runParts } from "../parts.js";
import { tokenizeWindows, windowOptions, windowPolicy, type Window, type WindowOptions } from "../windows.js";
import { sequenceLogits } from "./classify.js";
import { requireHead } from "./heads.js";
import { activate, type ScoreActivation } from "./label-scores.js";

/** Options of {@link Encoder.rerank}. Windows are those of a document, each with the whole query. */
export interface RerankOptions extends WindowOptions {
  /** At most this many documents, the best first. Default: all. */
  topK?: number;
  /**
   * How a logit becomes a score. Default: as the cross-encoder's configuration says, else `"sigmoid"`. The order
   * does not depend on it.
   */
  activation?: Exclude<ScoreActivation, "softmax">;
}

/** One document of a ranking. */
export interface RankedDocument {
  /** Which of the documents given. */
  readonly index: number;
  /** The higher, the better it answers the query. That of a document in windows is its best window's. */
  readonly score: number;
}

/** Ranks documents by a cross-encoder; the method's own limit is the context length. */
export async function rerank(
  core: EncoderCore,
  query: unknown,
  documents: unknown,
  options: unknown,
): Promise<RankedDocument[]> {
  // Arguments
  const text = string(query, "query");
  if (!Array.isArray(documents)) throw expected("an array of strings", "documents", documents);
  const pairs = await checkEach(documents, "documents", string);
  const checked = checkOptions(options, "rerank", {
    ...windowOptions(core, true),
    topK: integer(1, Number.MAX_SAFE_INTEGER),
    activation: oneOf("sigmoid", "none"),
  });
  requireHead(core, "sequenceLabels", "rerank");
  requireOneLabel(core);
  const { topK, activation = defaultActivation(core) } = checked;
  const policy = windowPolicy(core, checked, core.info.contextLength, true);

  const logits = await runParts<Window, number, number>(
    {
      total: pairs.length,
      prepare: (begin, end, signal) => {
        const inputs = pairs.slice(begin, end).map((pair) => ({ text, pair }));
        return tokenizeWindows(core, inputs, begin, policy, signal);
      },
      outputSize: () => 1,
      compute: async (batch, signal) => (await sequenceLogits(core, batch, signal)).map(([logit]) => logit!),
      merge: (windows) => windows.reduce((best, logit) => Math.max(best, logit)),
    },
    checked,
  );
  const scores = activate(logits, activation);
  const order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b);
  return order.slice(0, topK).map((index) => ({ index, score: scores[index]! }));
}

function requireOneLabel({ info }: EncoderCore): void {
  const { length } = info.labels;
  if (length === 1) return;
  throw new UnsupportedError(
    `${info.name} has a classifier of ${length} labels, and rerank needs one of a single label`,
    { head: "sequenceLabels", labels: length },
  );
}

/** As sentence-transformers' CrossEncoder chooses. */
function defaultActivation({ info, classifier }: EncoderCore): "sigmoid" | "none" {
  const { activation } = classifier;
  if (activation === undefined || /(^|\.)Sigmoid$/.test(activation)) return "sigmoid";
  if (/(^|\.)Identity$/.test(activation)) return "none";
  throw new UnsupportedError(
    `${info.name} scores with ${activation}, which is not computed: pass activation to choose another`,
    { activation },
  );
}
