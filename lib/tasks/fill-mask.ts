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
import { arrayOf, checkOptions, integer, number, oneOf, string } from "../options.js";
import type { Tokenizer } from "../tokenizer/index.js";
import { breathe } from "../tokenizer/time-slices.js";
import { requireHead } from "./heads.js";
import { independentFillings, sequentialFillings, type Filling } from "./mask-fillings.js";
import {
  bestTokens,
  maskLogits,
  requireMaskToken,
  type MaskedSequence,
  type ScoredId,
  type Selection,
} from "./mask-logits.js";

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
  /**
   * How several masks of a text are filled together, in `fillings`: `"independent"` multiplies the probabilities
   * each mask has by itself; `"sequential"` fills them from left to right, each seeing what stands before it (beam
   * search with `topK` beams). Default: `"independent"`.
   */
  filling?: "independent" | "sequential";
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

/** Tokens for all masks of a text. */
export interface MaskFilling {
  /** Probability of the tokens together, as `filling` says. */
  readonly score: number;
  /** Token ids, one per mask. */
  readonly tokens: readonly number[];
  /** The vocabulary's forms of the tokens. */
  readonly tokenStrings: readonly string[];
  /** The tokens decoded with every mask filled in. */
  readonly sequence: string;
}

/** What {@link Encoder.fillMask} returns for one text. */
export interface FillMaskResult {
  /** One entry per mask, in the order of the text; each as if the other masks stayed. */
  readonly masks: readonly MaskResult[];
  /** The likeliest ways to fill all masks at once, the likeliest first: at most `topK`, and at most 1000. */
  readonly fillings: readonly MaskFilling[];
  /** Those of `targets` that are not one token of the vocabulary, as given. */
  readonly unknownTargets: readonly string[];
}

type MaskedInput = TokenizedInput & MaskedSequence;

/** A text whose masks were read one by one. */
interface ReadText {
  readonly input: MaskedInput;
  readonly masks: readonly MaskResult[];
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
    filling: oneOf("independent", "sequential"),
  });
  requireHead(core, "mlm", "fillMask");
  const maskToken = requireMaskToken(core, "fillMask");
  const { ids: targets, unknown: unknownTargets } = findTargets(core, checked.targets);
  const { temperature = 1, topK = targets?.length ?? 5 } = checked;
  const isSequential = checked.filling === "sequential";
  const selection: Selection = { topK, temperature, targets };
  const policy = lengthPolicy(checked, info.contextLength);

  const read = await runBatches<MaskedInput, ReadText>(
    {
      total: items.length,
      async prepare(begin, end, signal) {
        const inputs = items.slice(begin, end).map((text) => ({ text }));
        const tokenized = await tokenizeInputs(core, inputs, begin, policy, signal);
        return tokenized.map((input) => withMasks(input, maskToken, items[input.index]!));
      },
      outputSize: ({ masks }) => masks.length * info.vocabSize,
      async compute(batch, signal) {
        const logits = await maskLogits(core, batch, signal);
        const filled: ReadText[] = [];
        for (const [i, input] of batch.entries()) {
          const masks: MaskResult[] = [];
          for (const [m, position] of input.masks.entries()) {
            await breathe(signal);
            masks.push(await readMask(core, input, position, bestTokens(logits[i]![m]!, selection), signal));
          }
          filled.push({ input, masks });
        }
        return filled;
      },
    },
    // In sequence, most of the work comes after this.
    isSequential ? { signal: checked.signal } : checked,
  );
  const fillings = isSequential
    ? await fillInSequence(core, read, selection, checked)
    : read.map(({ masks }) => {
        const candidates = masks.map(({ predictions }) => predictions);
        return independentFillings(candidates, topK);
      });
  const results: FillMaskResult[] = [];
  for (const [i, text] of read.entries()) {
    const named = await nameFillings(core, text, fillings[i]!, checked.signal);
    results.push({ masks: text.masks, fillings: named, unknownTargets });
  }
  return isArray ? results : results[0]!;
}

function fillInSequence(
  core: EncoderCore,
  texts: readonly ReadText[],
  selection: Selection,
  { signal, onProgress }: Pick<InputOptions, "signal" | "onProgress">,
): Promise<Filling[][]> {
  const begun = texts.map(({ input, masks }) => ({ sequence: input, first: masks[0]!.predictions }));
  return sequentialFillings(core, begun, selection, signal, (done) => {
    onProgress?.({ done, total: texts.length });
  });
}

/** What the tokens say, and the text they make. */
async function nameFillings(
  { tokenizer }: EncoderCore,
  { input, masks }: ReadText,
  fillings: readonly Filling[],
  signal: AbortSignal | undefined,
): Promise<MaskFilling[]> {
  const named: MaskFilling[] = [];
  // A single mask is named already.
  const known = new Map(masks.length > 1 ? [] : masks[0]!.predictions.map((each) => [each.token, each]));
  for (const { tokens, score } of fillings) {
    const prediction = known.get(tokens[0]!);
    const sequence = prediction?.sequence ?? decodeFilled(tokenizer, input, tokens);
    const tokenStrings = tokens.map((token) => tokenizer.idToToken(token) ?? "");
    named.push({ score, tokens, tokenStrings, sequence });
    await breathe(signal);
  }
  return named;
}

/** The text with `tokens` at its masks. */
function decodeFilled(tokenizer: Tokenizer, input: MaskedInput, tokens: readonly number[]): string {
  const { specialTokensMask } = input.encoding!;
  const ids = input.ids.slice();
  for (const [i, token] of tokens.entries()) ids[input.masks[i]!] = token;
  return tokenizer.decode(ids.filter((_, i) => specialTokensMask[i] === 0));
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

/** The candidates for one mask, with the text each makes. */
async function readMask(
  { tokenizer }: EncoderCore,
  { ids, encoding }: TokenizedInput,
  position: number,
  best: readonly ScoredId[],
  signal: AbortSignal,
): Promise<MaskResult> {
  const { offsets, specialTokensMask } = encoding!;
  const isShown = (_: number, i: number) => specialTokensMask[i] === 0;
  const predictions: MaskPrediction[] = [];
  for (const { token, score } of best) {
    const filled = ids.with(position, token).filter(isShown);
    const tokenString = tokenizer.idToToken(token) ?? "";
    predictions.push({ score, token, tokenString, sequence: tokenizer.decode(filled) });
    await breathe(signal);
  }
  return { position, offset: [offsets[2 * position]!, offsets[2 * position + 1]!], predictions };
}
