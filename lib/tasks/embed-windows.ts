import type { EncoderCore } from "../encoder.js";
import { oneOrManyTexts } from "../inputs.js";
import { runTask, type PoolingMode } from "../native.js";
import { boolean, checkOptions, expected, integer, oneOf, string } from "../options.js";
import { runParts } from "../parts.js";
import { breathe } from "../tokenizer/time-slices.js";
import { tokenizeWindows, windowOptions, windowPolicy, type Window, type WindowOptions } from "../windows.js";
import { resolvePrompt, toUnitLength } from "./embed.js";
import { encodeRequest } from "./request.js";

/** Options of {@link Encoder.embedWindows}; those of `embed` have the same meaning here. */
export interface EmbedWindowsOptions extends WindowOptions {
  /** As of {@link EmbedOptions}, within a window. Default: `info.pooling`. */
  pooling?: PoolingMode;
  /** Scale each vector to unit L2 length. Default: `info.normalize`. */
  normalize?: boolean;
  /** Keep only the first `dimensions` values, then normalize. Default: all `info.dimensions`. */
  dimensions?: number;
  /** What is put before the text in every window; see the `prompt` of {@link EmbedOptions}. */
  prompt?: string;
}

/** A window of a text. */
export interface EmbeddedWindow {
  /** [H] or `dimensions` values. */
  readonly vector: Float32Array;
  /** Where its text begins, in UTF-16 units. */
  readonly start: number;
  /** Where it ends: `text.slice(start, end)`. */
  readonly end: number;
}

/** What {@link Encoder.embedWindows} returns for one text. */
export interface EmbeddedText {
  /** In the order of the text; at least one. */
  readonly windows: readonly EmbeddedWindow[];
  /** The mean of the windows' vectors, each weighted by its tokens; scaled as they are. */
  readonly vector: Float32Array;
}

/** A window with its vector, and the tokens it stands for. */
interface WeightedWindow extends EmbeddedWindow {
  readonly tokens: number;
}

/** Embeds texts of any length; the limit of a window is that of `embed`. */
export async function embedWindows(
  core: EncoderCore,
  texts: unknown,
  options: unknown,
): Promise<EmbeddedText | EmbeddedText[]> {
  const { info, tokenizer } = core;

  // Arguments
  const { items, isArray } = await oneOrManyTexts(texts);
  const checked = checkOptions(options, "embedWindows", {
    ...windowOptions(core),
    pooling: oneOf("mean", "cls", "max", "last"),
    normalize: boolean,
    dimensions: integer(1, info.dimensions),
    prompt: string,
  });
  const { pooling = info.pooling, normalize = info.normalize, dimensions = info.dimensions } = checked;
  const promptText = resolvePrompt(core, checked.prompt);
  const prompt = tokenizer.encode(promptText, { addSpecialTokens: false }).ids;
  const { maxLength = info.maxLength } = checked;
  const limit = maxLength - prompt.length;
  if (limit <= tokenizer.countSpecialTokens()) {
    throw expected(`a prompt that leaves room in a window of ${maxLength} tokens`, "prompt", promptText);
  }
  const policy = windowPolicy(core, { ...checked, maxLength: limit }, limit, false);

  const results = await runParts<Window, WeightedWindow, EmbeddedText>(
    {
      total: items.length,
      async prepare(begin, end, signal) {
        const inputs = items.slice(begin, end).map((text) => ({ text }));
        const windows = await tokenizeWindows(core, inputs, begin, policy, signal);
        return windows.map((parts) => parts.map((part) => withPrompt(part, prompt)));
      },
      outputSize: () => info.dimensions,
      async compute(batch, signal) {
        const request = encodeRequest(batch, { pooling });
        const { pooled } = await runTask(() => core.model.encode(request), signal);
        const embedded: WeightedWindow[] = [];
        for (const [i, window] of batch.entries()) {
          const from = i * info.dimensions;
          const vector = pooled!.slice(from, from + dimensions);
          embedded.push({ vector: normalize ? toUnitLength(vector) : vector, ...placeOf(window) });
          await breathe(signal);
        }
        return embedded;
      },
      merge: (windows) => ({
        windows: windows.map(({ vector, start, end }) => ({ vector, start, end })),
        vector: normalize ? toUnitLength(meanOf(windows)) : meanOf(windows),
      }),
    },
    checked,
  );
  return isArray ? results : results[0]!;
}

/** The prompt's tokens before those of the text. */
function withPrompt(window: Window, prompt: Int32Array): Window {
  if (prompt.length === 0) return window;
  const first = firstOwn(window);
  const ids = new Int32Array(window.ids.length + prompt.length);
  ids.set(window.ids.subarray(0, first));
  ids.set(prompt, first);
  ids.set(window.ids.subarray(first), first + prompt.length);
  return { ...window, ids, segments: undefined };
}

/** Index of the first token after the opening special ones. */
function firstOwn({ encoding }: Window): number {
  const first = encoding.specialTokensMask.indexOf(0);
  // An empty text lies before the closing token.
  return first < 0 ? encoding.length - 1 : first;
}

function placeOf(window: Window): { start: number; end: number; tokens: number } {
  const { offsets, specialTokensMask } = window.encoding;
  const first = specialTokensMask.indexOf(0);
  if (first < 0) return { start: 0, end: 0, tokens: 1 };
  const last = specialTokensMask.lastIndexOf(0);
  return { start: offsets[2 * first]!, end: offsets[2 * last + 1]!, tokens: last + 1 - first };
}

function meanOf(windows: readonly WeightedWindow[]): Float32Array {
  const sum = new Float64Array(windows[0]!.vector.length);
  let total = 0;
  for (const { vector, tokens } of windows) {
    total += tokens;
    for (let h = 0; h < sum.length; h++) sum[h]! += tokens * vector[h]!;
  }
  return Float32Array.from(sum, (value) => value / total);
}
