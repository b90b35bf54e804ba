import { runBatches } from "../batches.js";
import type { EncoderCore } from "../encoder.js";
import {
  inputOptions,
  lengthPolicy,
  oneOrManyTexts,
  tokenizeInputs,
  type InputOptions,
  type TokenizedInput,
} from "../inputs.js";
import { runTask, type SparseActivation, type SparsePooling, type SparseVector } from "../native.js";
import { checkOptions, expected, integer, isObject, number, oneOf, string, type Check } from "../options.js";
import { breathe } from "../tokenizer/time-slices.js";
import { resolvePrompt } from "./embed.js";
import { requireHead } from "./heads.js";
import { encodeRequest } from "./request.js";

/** Options of {@link Encoder.embedSparse}. */
export interface EmbedSparseOptions extends InputOptions {
  /**
   * How the weights that the tokens of a text give to a token of the vocabulary become one: the largest, or their
   * sum. All tokens of the text count, `[CLS]` and `[SEP]` included, as sentence-transformers does. Default:
   * `info.sparsePooling`.
   */
  pooling?: SparsePooling;
  /**
   * What a logit x weighs: log(1 + max(0, x)) with `"relu"`, log(1 + log(1 + max(0, x))) with `"log1p_relu"`.
   * Default: `info.sparseActivation`.
   */
  activation?: SparseActivation;
  /** Keep only so many weights, the largest; of equal ones those of lower token id. Default: all. */
  topK?: number;
  /** Keep only weights above this; 0 or more. Default: 0. */
  threshold?: number;
  /** What is put before every text; see the `prompt` of {@link EmbedOptions}. */
  prompt?: string;
}

/** Weights of the vocabulary's tokens for a text; those that are not listed are 0. */
export interface SparseEmbedding {
  /** Token ids, ascending. */
  readonly indices: Int32Array;
  /** The weight of each, above 0. */
  readonly values: Float32Array;
  /** The vocabulary's form of each. */
  readonly tokens: readonly string[];
}

/**
 * Embeds one text or many in the space of the vocabulary (SPLADE: Formal et al., arXiv:2107.05720 and 2109.10086);
 * the limit is that of `embed`.
 */
export async function embedSparse(
  core: EncoderCore,
  texts: unknown,
  options: unknown,
): Promise<SparseEmbedding | SparseEmbedding[]> {
  const { info, model } = core;

  // Arguments
  const { items, isArray } = await oneOrManyTexts(texts);
  const checked = checkOptions(options, "embedSparse", {
    ...inputOptions(core),
    pooling: oneOf<SparsePooling>("max", "sum"),
    activation: oneOf<SparseActivation>("relu", "log1p_relu"),
    topK: integer(1, Number.MAX_SAFE_INTEGER),
    threshold: number("a number from 0 on", (value) => value >= 0),
    prompt: string,
  });
  requireHead(core, "mlm", "embedSparse");
  const { pooling = info.sparsePooling, activation = info.sparseActivation, threshold = 0 } = checked;
  const most = Math.min(checked.topK ?? info.vocabSize, info.vocabSize);
  const prompt = resolvePrompt(core, checked.prompt);
  const policy = lengthPolicy(checked, info.maxLength);

  const results = await runBatches<TokenizedInput, SparseEmbedding>(
    {
      total: items.length,
      prepare: (begin, end, signal) => {
        const inputs = items.slice(begin, end).map((text) => ({ text: prompt + text }));
        return tokenizeInputs(core, inputs, begin, policy, signal);
      },
      // A trained model leaves a few hundred of the vocabulary; one that was not trained for it may leave half.
      outputSize: () => Math.min(most, info.vocabSize / 8),
      async compute(batch, signal) {
        const request = encodeRequest(batch, { sparse: { pooling, activation, threshold, most } });
        const { sparse } = await runTask(() => model.encode(request), signal);
        const embeddings: SparseEmbedding[] = [];
        for (const vector of sparse!) {
          embeddings.push(withTokens(core, vector));
          await breathe(signal);
        }
        return embeddings;
      },
    },
    checked,
  );
  return isArray ? results : results[0]!;
}

function withTokens({ tokenizer }: EncoderCore, { indices, values }: SparseVector): SparseEmbedding {
  return { indices, values, tokens: Array.from(indices, (id) => tokenizer.idToToken(id) ?? "") };
}

/** Weights by token id, as {@link Encoder.embedSparse} gives them. */
export type SparseWeights = Pick<SparseEmbedding, "indices" | "values">;

/** How well two texts match: the dot product of their sparse embeddings of the same model. */
export function sparseSimilarity(a: SparseWeights, b: SparseWeights): number {
  const x = sparseWeights(a, "a");
  const y = sparseWeights(b, "b");
  let sum = 0;
  let i = 0;
  let j = 0;
  while (i < x.indices.length && j < y.indices.length) {
    const difference = x.indices[i]! - y.indices[j]!;
    if (difference === 0) sum += x.values[i++]! * y.values[j++]!;
    else if (difference < 0) i++;
    else j++;
  }
  return sum;
}

/** As many values as indices, which ascend. */
const sparseWeights: Check<SparseWeights> = (value, name) => {
  const { indices, values } = isObject(value) ? (value as Partial<SparseWeights>) : {};
  const isPair =
    indices instanceof Int32Array && values instanceof Float32Array && indices.length === values.length;
  if (!isPair) throw expected("{ indices, values } of embedSparse", name, value);
  for (let i = 1; i < indices.length; i++) {
    if (!(indices[i - 1]! < indices[i]!)) throw expected("ascending indices", `${name}.indices`, indices);
  }
  return { indices, values };
};
