import type { EncoderCore } from "../encoder.js";
import { oneOrManyTexts } from "../inputs.js";
import { runTask } from "../native.js";
import { arrayOf, checkOptions, oneOf, string } from "../options.js";
import { runParts } from "../parts.js";
import type { Encoding } from "../tokenizer/index.js";
import { breathe } from "../tokenizer/time-slices.js";
import { tokenizeWindows, windowOptions, windowPolicy, type Window, type WindowOptions } from "../windows.js";
import { EntityGrouper, type EntityAggregation, type ScoredToken } from "./entity-groups.js";
import { requireHead } from "./heads.js";
import { softmaxInPlace } from "./label-scores.js";
import { encodeRequest } from "./request.js";

/** Options of {@link Encoder.recognizeEntities}. */
export interface RecognizeEntitiesOptions extends WindowOptions {
  /** How tokens become entities. Default: `"simple"`. */
  aggregation?: EntityAggregation;
  /** Labels, or kinds, that are left out. Default: `["O"]`. */
  ignoreLabels?: readonly string[];
}

/** Something that the model found in a text. */
export interface Entity {
  /** Its kind, for example `PER`; with aggregation `"none"` the whole label, for example `B-PER`. */
  readonly label: string;
  /** Probability of the label, from 0 to 1; of several tokens, or words, the mean. */
  readonly score: number;
  /** What stands in the text. */
  readonly text: string;
  /** Where it begins, in UTF-16 units. */
  readonly start: number;
  /** Where it ends: `text.slice(start, end)`. */
  readonly end: number;
}

/** A window with the logits of its tokens, [S, labels]. */
interface ScoredWindow {
  readonly window: Window;
  readonly logits: Float32Array;
}

/** Finds entities in one text or many; the method's own limit is the context length. */
export async function recognizeEntities(
  core: EncoderCore,
  texts: unknown,
  options: unknown,
): Promise<Entity[] | Entity[][]> {
  const { model, info } = core;
  const { labels } = info;

  // Arguments
  const { items, isArray } = await oneOrManyTexts(texts);
  const checked = checkOptions(options, "recognizeEntities", {
    ...windowOptions(core),
    aggregation: oneOf("none", "simple", "first", "average", "max"),
    ignoreLabels: arrayOf(string, "an array of strings"),
  });
  requireHead(core, "tokenLabels", "recognizeEntities");
  const { aggregation = "simple", ignoreLabels = ["O"] } = checked;
  const policy = windowPolicy(core, checked, info.contextLength, false);

  const found = await runParts<Window, ScoredWindow, Entity[]>(
    {
      total: items.length,
      prepare: (begin, end, signal) => {
        const inputs = items.slice(begin, end).map((text) => ({ text }));
        return tokenizeWindows(core, inputs, begin, policy, signal);
      },
      outputSize: ({ ids }) => ids.length * labels.length,
      async compute(batch, signal) {
        const request = encodeRequest(batch, { tokenLogits: true });
        const { tokenLogits } = await runTask(() => model.encode(request), signal);
        let start = 0;
        return batch.map((window) => {
          const logits = tokenLogits!.subarray(start, (start += window.ids.length * labels.length));
          return { window, logits };
        });
      },
      async merge(windows, index, signal) {
        const text = items[index]!;
        const grouper = new EntityGrouper(labels, aggregation);
        await pushTokens(grouper, windows, wordStarts(core, text), policy.stride, signal);
        return grouper
          .finish()
          .filter(({ label }) => !ignoreLabels.includes(label))
          .map(({ label, score, start, end }) => ({
            label,
            score,
            text: text.slice(start, end),
            start,
            end,
          }));
      },
    },
    checked,
  );
  return isArray ? found : found[0]!;
}

/** A token of a text, where it stands in one of the windows. */
interface TokenPlace {
  readonly window: ScoredWindow;
  /** Index among the window's tokens. */
  readonly at: number;
  /** Tokens of the text between it and the nearer cut of the window. */
  readonly margin: number;
}

/**
 * Gives the grouper the tokens of a text from its windows. Where these overlap, a token is read in the window that
 * shows the most of the text on its shorter side, so that there is one answer at every seam.
 */
async function pushTokens(
  grouper: EntityGrouper,
  windows: readonly ScoredWindow[],
  startsWord: WordStart,
  stride: number,
  signal: AbortSignal,
): Promise<void> {
  const places: TokenPlace[] = [];
  let from = 0;
  for (const [w, window] of windows.entries()) {
    const { specialTokensMask } = window.window.encoding;
    const own = Array.from(specialTokensMask.keys()).filter((at) => specialTokensMask[at] === 0);
    for (const [i, at] of own.entries()) {
      const left = w === 0 ? Infinity : i;
      const right = w === windows.length - 1 ? Infinity : own.length - 1 - i;
      const place = { window, at, margin: Math.min(left, right) };
      const other = places[from + i];
      if (other === undefined || other.margin < place.margin) places[from + i] = place;
    }
    // As the tokenizer lays them: all but the last are of the same size.
    from += own.length - Math.min(stride, own.length - 1);
    await breathe(signal);
  }
  for (const [i, { window, at }] of places.entries()) {
    grouper.push(readToken(window, at, startsWord(window.window.encoding, at)));
    if (i % 256 === 255) await breathe(signal);
  }
}

/** Whether the token begins a word; asked of the tokens of a text in order. */
type WordStart = (encoding: Encoding, at: number) => boolean;

/**
 * As Hugging Face's pipeline has it: where the vocabulary does not mark the tokens that go on with a word, words end at
 * spaces, and a token that is unknown is a word.
 */
function wordStarts({ tokenizer }: EncoderCore, text: string): WordStart {
  let lastWord = -1;
  if (tokenizer.marksContinuations) {
    return ({ wordIds }, at) => {
      const word = wordIds[at]!;
      const isFirst = word !== lastWord;
      lastWord = word;
      return isFirst;
    };
  }
  return ({ ids, offsets }, at) => {
    const start = offsets[2 * at]!;
    return (
      ids[at] === tokenizer.specialIds.unk || start === 0 || text.slice(start - 1, start + 1).includes(" ")
    );
  };
}

function readToken({ window, logits }: ScoredWindow, at: number, startsWord: boolean): ScoredToken {
  const { offsets, length } = window.encoding;
  const labels = logits.length / length;
  return {
    start: offsets[2 * at]!,
    end: offsets[2 * at + 1]!,
    startsWord,
    scores: softmaxInPlace(Float64Array.from(logits.subarray(at * labels, (at + 1) * labels))),
  };
}
