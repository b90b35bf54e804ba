import { runBatches } from "../batches.js";
import type { EncoderCore } from "../encoder.js";
import { InvalidArgumentError, UnsupportedError } from "../errors.js";
import {
  inputOptions,
  lengthPolicy,
  oneOrManyTexts,
  tokenizeInputs,
  type InputOptions,
  type TokenizedInput,
} from "../inputs.js";
import { runTask } from "../native.js";
import { arrayOf, checkOptions, integer, number, string } from "../options.js";
import { breathe } from "../tokenizer/time-slices.js";
import { topIndices } from "../top-k.js";
import { requireHead } from "./heads.js";
import { encodeRequest } from "./request.js";

/** Options of {@link Encoder.fillMask}. */
export interface FillMaskOptions extends InputOptions {
  /** At most this many predictions per mask, the most likely first. Default: 5, or all `targets`. */
  topK?: number;
  /**
   * Score only these words. Each must be one token of the vocabulary, as it stands there or after the
   * tokenizer's normalization; those that are not are listed in `unknownTargets`. Scores remain probabilities
   * over the whole vocabulary.
   */
  targets?: readonly string[];
  /** Divides the logits before the softmax; above 0. Default: 1. */
  temperature?: number;
}

/** One candidate for a mask. */
export interface MaskPrediction {
  /** Probability over the whole vocabulary, from 0 to 1. */
  readonly score: number;
  /** Token id. */
  readonly token: number;
  /** The vocabulary's form of the token, for example `"ship"` or `"##s"`. */
  readonly tokenString: string;
  /** The tokens decoded with this mask filled in and any other mask left as it is. */
  readonly sequence: string;
}

/** The candidates for one mask. */
export interface MaskResult {
  /** Index of the mask among the tokens. */
  readonly position: number;
  /** Where the mask stands in the text: start and end in UTF-16 units. */
  readonly offset: readonly [start: number, end: number];
  /** The most likely first. */
  readonly predictions: readonly MaskPrediction[];
}

/** What {@link Encoder.fillMask} returns for one text. */
export interface FillMaskResult {
  /** One entry per mask, in the order of the text. */
  readonly masks: readonly MaskResult[];
  /** Those of `targets` that are not one token of the vocabulary, as given. */
  readonly unknownTargets: readonly string[];
}

interface MaskedInput extends TokenizedInput {
  /** Positions of the masks, [M]. */
  readonly masks: readonly number[];
}

/** Which candidates are asked for. */
interface Selection {
  readonly topK: number;
  readonly temperature: number;
  /** Token ids; all when absent. */
  readonly targets?: Int32Array;
}

/** Fills the masks of one text or many; the method's own limit is the context length. */
export async function fillMask(
  core: EncoderCore,
  texts: unknown,
  options: unknown,
): Promise<FillMaskResult | FillMaskResult[]> {
  const { info } = core;

  // Arguments
  const { items, isArray } = await oneOrManyTexts(texts);
  const checked = checkOptions(options, "fillMask", {
    ...inputOptions(core),
    topK: integer(1, Number.MAX_SAFE_INTEGER),
    targets: arrayOf(string, "an array of strings"),
    temperature: number("a number above 0", (value) => value > 0 && Number.isFinite(value)),
  });
  requireHead(core, "mlm", "fillMask");
  const maskToken = requireMaskToken(core);
  const { ids: targets, unknown: unknownTargets } = findTargets(core, checked.targets);
  const { temperature = 1, topK = targets?.length ?? 5 } = checked;
  const policy = lengthPolicy(checked, info.contextLength);

  const results = await runBatches<MaskedInput, FillMaskResult>(
    {
      total: items.length,
      async prepare(begin, end, signal) {
        const inputs = items.slice(begin, end).map((text) => ({ text }));
        const tokenized = await tokenizeInputs(core, inputs, begin, policy, signal);
        return tokenized.map((input) => withMasks(input, maskToken, items[input.index]!));
      },
      outputSize: ({ masks }) => masks.length * info.vocabSize,
      async compute(batch, signal) {
        const request = encodeRequest(batch, { mlmPositions: maskPositions(batch) });
        const { mlmLogits } = await runTask(() => core.model.encode(request), signal);
        const filled: FillMaskResult[] = [];
        let row = 0;
        for (const input of batch) {
          const masks: MaskResult[] = [];
          for (const position of input.masks) {
            const logits = mlmLogits!.subarray(row * info.vocabSize, ++row * info.vocabSize);
            masks.push(await readMask(core, input, position, logits, { topK, temperature, targets }, signal));
          }
          filled.push({ masks, unknownTargets });
        }
        return filled;
      },
    },
    checked,
  );
  return isArray ? results : results[0]!;
}

function requireMaskToken({ info, tokenizer }: EncoderCore): number {
  const { mask } = tokenizer.specialIds;
  if (mask !== undefined) return mask;
  throw new UnsupportedError(`The tokenizer of ${info.name} has no mask token, which fillMask needs`, {
    token: "mask",
  });
}

/** Ids of the targets that are one token, each once, and the other targets. */
function findTargets(
  { tokenizer }: EncoderCore,
  targets: readonly string[] | undefined,
): { ids?: Int32Array; unknown: string[] } {
  if (targets === undefined) return { unknown: [] };
  const ids = new Set<number>();
  const unknown: string[] = [];
  for (const target of targets) {
    const known = tokenizer.tokenToId(target);
    const normalized = tokenizer.encode(target, { addSpecialTokens: false }).ids;
    const isToken = normalized.length === 1 && normalized[0] !== tokenizer.specialIds.unk;
    if (known !== undefined) ids.add(known);
    else if (isToken) ids.add(normalized[0]!);
    else unknown.push(target);
  }
  return { ids: Int32Array.from(ids), unknown };
}

function withMasks(input: TokenizedInput, maskToken: number, text: string): MaskedInput {
  const masks = Array.from(input.ids.keys()).filter((position) => input.ids[position] === maskToken);
  if (masks.length > 0) return { ...input, masks };
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  const cut = input.truncated ? " among the tokens left after truncation" : "";
  throw new InvalidArgumentError(
    `Expected at least one mask token${cut} in text ${input.index} but received ${JSON.stringify(shown)} of type string`,
    { name: "text", index: input.index, value: text },
  );
}

/** Positions of all masks of a batch in the ragged batch, [M]. */
function maskPositions(batch: readonly MaskedInput[]): Int32Array {
  const positions: number[] = [];
  let start = 0;
  for (const { ids, masks } of batch) {
    for (const mask of masks) positions.push(start + mask);
    start += ids.length;
  }
  return Int32Array.from(positions);
}

/** The candidates for one mask from its logits, [V]. */
async function readMask(
  { tokenizer }: EncoderCore,
  { ids, encoding }: TokenizedInput,
  position: number,
  logits: Float32Array,
  { topK, temperature, targets }: Selection,
  signal: AbortSignal,
): Promise<MaskResult> {
  await breathe(signal);
  const { offsets, specialTokensMask } = encoding!;
  const best = targets ? topTargets(logits, targets, topK) : topIndices(logits, topK);
  const probability = softmax(logits, temperature);
  const isShown = (_: number, i: number) => specialTokensMask[i] === 0;
  const predictions: MaskPrediction[] = [];
  for (const token of best) {
    const filled = ids.with(position, token).filter(isShown);
    predictions.push({
      score: probability(token),
      token,
      tokenString: tokenizer.idToToken(token) ?? "",
      sequence: tokenizer.decode(filled),
    });
    await breathe(signal);
  }
  return { position, offset: [offsets[2 * position]!, offsets[2 * position + 1]!], predictions };
}

/** The `k` targets with the largest logits, the largest first. */
function topTargets(logits: Float32Array, targets: Int32Array, k: number): Int32Array {
  const values = Float32Array.from(targets, (token) => logits[token]!);
  return topIndices(values, k).map((i) => targets[i]!);
}

/** The softmax of logits / temperature, in double precision; evaluated where asked for. */
function softmax(logits: Float32Array, temperature: number): (index: number) => number {
  let largest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > largest) largest = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp((logit - largest) / temperature);
  return (index) => Math.exp((logits[index]! - largest) / temperature) / sum;
}
