import { runBatches } from "../batches.js";
import type { EncoderCore } from "../encoder.js";
import { InvalidArgumentError } from "../errors.js";
import {
  inputOptions,
  lengthPolicy,
  oneOrManyTexts,
  tokenizeInputs,
  type InputOptions,
  type TokenizedInput,
} from "../inputs.js";
import { runTask, type PoolingMode } from "../native.js";
import { boolean, checkOptions, integer, isObject, nearestName, oneOf, string } from "../options.js";
import {
  checkPrecision,
  embeddingRangesOf,
  toPrecision,
  type EmbeddingOf,
  type EmbeddingPrecision,
  type EmbeddingRanges,
} from "./embedding-precision.js";
import { encodeRequest } from "./request.js";

/** Options of {@link Encoder.embed}. */
export interface EmbedOptions<P extends EmbeddingPrecision = "float32"> extends InputOptions {
  /**
   * How the last hidden states [S, H] of a text become one vector [H]: `"mean"` or `"max"` over all its tokens
   * (`[CLS]` and `[SEP]` included, as sentence-transformers does), `"cls"` the first, `"last"` the last token's.
   * Default: `info.pooling`.
   */
  pooling?: PoolingMode;
  /** Scale each vector to unit L2 length. Default: `info.normalize`. */
  normalize?: boolean;
  /**
   * Keep only the first `dimensions` values, then normalize (if `normalize`): for models trained with
   * Matryoshka representation learning (Kusupati et al., 2022). Default: all `info.dimensions`.
   */
  dimensions?: number;
  /**
   * What is put before every text: the name of one of `info.prompts`, or the text itself, for example
   * `"query: "`. A single word that is no name is refused, being most likely a misspelt name. Default: the
   * model's default prompt if it has one; `""` for none.
   */
  prompt?: string;
  /** What the values of a vector are. Default: `"float32"`. */
  precision?: P;
  /**
   * For `precision: "int8"`: the least and the greatest value of each dimension, which {@link embeddingRanges} finds.
   * They have to be the same for all vectors that are compared.
   */
  ranges?: EmbeddingRanges;
}

type AnyEmbedding = EmbeddingOf<EmbeddingPrecision>;

/** Embeds one text or many: [H] or `dimensions` values each. */
export async function embed(
  core: EncoderCore,
  texts: unknown,
  options: unknown,
): Promise<AnyEmbedding | AnyEmbedding[]> {
  const { info } = core;

  // Arguments
  const { items, isArray } = await oneOrManyTexts(texts);
  const checked = checkOptions(options, "embed", {
    ...inputOptions(core),
    pooling: oneOf("mean", "cls", "max", "last"),
    normalize: boolean,
    dimensions: integer(1, info.dimensions),
    prompt: string,
    precision: oneOf("float32", "int8", "binary", "ubinary"),
    ranges: embeddingRangesOf(dimensionsOf(options) ?? info.dimensions),
  });
  const { pooling = info.pooling, normalize = info.normalize, dimensions = info.dimensions } = checked;
  const { precision = "float32", ranges } = checked;
  checkPrecision(precision, dimensions, ranges);
  const prompt = resolvePrompt(core, checked.prompt);
  const policy = lengthPolicy(checked, info.maxLength);

  // Shortened vectors are normalized after the cut.
  const isCut = dimensions < info.dimensions;
  const wanted = { pooling, normalize: normalize && !isCut };
  const embeddings = await runBatches<TokenizedInput, AnyEmbedding>(
    {
      total: items.length,
      prepare: (begin, end, signal) => {
        const inputs = items.slice(begin, end).map((text) => ({ text: prompt + text }));
        return tokenizeInputs(core, inputs, begin, policy, signal);
      },
      outputSize: () => info.dimensions,
      async compute(batch, signal) {
        const request = encodeRequest(batch, wanted);
        const { pooled } = await runTask(() => core.model.encode(request), signal);
        return batch.map((_, i) => {
          const start = i * info.dimensions;
          const vector = pooled!.slice(start, start + dimensions);
          const scaled = isCut && normalize ? toUnitLength(vector) : vector;
          return toPrecision(scaled, precision, ranges);
        });
      },
    },
    checked,
  );
  return isArray ? embeddings : embeddings[0]!;
}

/** How many values `ranges` has to have; a wrong number of dimensions is refused by its own name. */
function dimensionsOf(options: unknown): number | undefined {
  const dimensions = isObject(options) ? options["dimensions"] : undefined;
  return typeof dimensions === "number" ? dimensions : undefined;
}

/** Scales to unit L2 length in place; a zero vector stays zero. */
export function toUnitLength(vector: Float32Array): Float32Array {
  let sum = 0;
  for (const value of vector) sum += value * value;
  const length = Math.sqrt(sum);
  if (length > 0) for (let i = 0; i < vector.length; i++) vector[i] = vector[i]! / length;
  return vector;
}

/** The text that an option `prompt` stands for. */
export function resolvePrompt({ info }: EncoderCore, prompt: string | undefined): string {
  const { prompts, defaultPromptName } = info;
  if (prompt === undefined) return defaultPromptName === undefined ? "" : prompts[defaultPromptName]!;
  if (Object.hasOwn(prompts, prompt)) return prompts[prompt]!;
  if (!/^[\w-]+$/.test(prompt)) return prompt;
  const names = Object.keys(prompts);
  const nearest = nearestName(prompt, names);
  const hint = nearest === undefined ? "" : `. Did you mean ${nearest}?`;
  throw new InvalidArgumentError(
    `Expected the name of a prompt of ${info.name} (${names.join(", ") || "it has none"}), or a text of more ` +
      `than one word, for prompt but received ${JSON.stringify(prompt)} of type string${hint}`,
    { name: "prompt", value: prompt, known: names },
  );
}
