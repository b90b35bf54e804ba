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
import { runTask } from "../native.js";
import { boolean, checkOptions, expected, isObject, type Check } from "../options.js";
import type { Tensor } from "../tensor.js";
import { breathe } from "../tokenizer/time-slices.js";
import { toUnitLength } from "./embed.js";
import { encodeRequest } from "./request.js";

/** Options of {@link Encoder.embedTokens}. */
export interface EmbedTokensOptions extends InputOptions {
  /** Scale each token's vector to unit L2 length. Default: true. */
  normalize?: boolean;
}

/** A vector for each token of a text, S in all. */
export interface TokenEmbeddings {
  /** [S, H]; special tokens included. */
  readonly vectors: Tensor;
  /** The vocabulary's form of each token, [S]. */
  readonly tokens: readonly string[];
  /** Start and end of each token in the text, in UTF-16 units, [2 S]; special tokens have 0 and 0. */
  readonly offsets: Int32Array;
}

/** Embeds the tokens of one text or many; the limit is that of `embed`. */
export async function embedTokens(
  core: EncoderCore,
  texts: unknown,
  options: unknown,
): Promise<TokenEmbeddings | TokenEmbeddings[]> {
  const { model, info } = core;
  const H = info.embeddingLength;

  // Arguments
  const { items, isArray } = await oneOrManyTexts(texts);
  const checked = checkOptions(options, "embedTokens", { ...inputOptions(core), normalize: boolean });
  const { normalize = true } = checked;
  const policy = lengthPolicy(checked, info.maxLength);

  const results = await runBatches<TokenizedInput, TokenEmbeddings>(
    {
      total: items.length,
      prepare: (begin, end, signal) => {
        const inputs = items.slice(begin, end).map((text) => ({ text }));
        return tokenizeInputs(core, inputs, begin, policy, signal);
      },
      outputSize: ({ ids }) => ids.length * H,
      async compute(batch, signal) {
        const request = encodeRequest(batch, { lastHiddenState: true });
        const { lastHiddenState } = await runTask(() => model.encode(request), signal);
        const embedded: TokenEmbeddings[] = [];
        let start = 0;
        for (const { ids, encoding } of batch) {
          const data = lastHiddenState!.slice(start, (start += ids.length * H));
          if (normalize) for (let s = 0; s < ids.length; s++) toUnitLength(data.subarray(s * H, (s + 1) * H));
          const vectors = { data, shape: [ids.length, H] };
          embedded.push({ vectors, tokens: encoding!.tokens, offsets: encoding!.offsets });
          await breathe(signal);
        }
        return embedded;
      },
    },
    checked,
  );
  return isArray ? results : results[0]!;
}

/**
 * How well a document answers a query by late interaction: for each vector of the query the largest dot product with
 * a vector of the document, added up (Khattab & Zaharia, "ColBERT", arXiv:2004.12832).
 *
 * @param query - [Q, H], for example `vectors` of {@link Encoder.embedTokens}.
 * @param document - [S, H].
 * @throws InvalidArgumentError when the two have not the same H.
 */
export function maxSim(query: Tensor, document: Tensor): number {
  const a = matrix(query, "query");
  const b = matrix(document, "document");
  const [rows, H] = a.shape as [number, number];
  const [columns, width] = b.shape as [number, number];
  if (width !== H) throw expected(`vectors of ${H} values`, "document", width);
  let sum = 0;
  for (let q = 0; q < rows; q++) {
    let best = Number.NEGATIVE_INFINITY;
    for (let s = 0; s < columns; s++) {
      let dot = 0;
      for (let h = 0; h < H; h++) dot += a.data[q * H + h]! * b.data[s * H + h]!;
      if (dot > best) best = dot;
    }
    sum += best;
  }
  return sum;
}

/** At least one row of at least one value. */
const matrix: Check<Tensor> = (value, name) => {
  const { data, shape } = isObject(value) ? (value as unknown as Partial<Tensor>) : {};
  const isMatrix =
    data instanceof Float32Array &&
    Array.isArray(shape) &&
    shape.length === 2 &&
    data.length > 0 &&
    shape[0] * shape[1] === data.length;
  if (!isMatrix) throw expected("a tensor of shape [tokens, values]", name, value);
  return value as Tensor;
};
