/** The perplexity of a document of any length, in windows that slide over it. */
import { runConcurrently } from "./concurrent.js";
import { generatorInput } from "./prompt.js";
import type { GeneratorCore } from "./generator.js";
import type { Progress } from "./inputs.js";
import { callback, checkOptions, integer, signal as abortSignal } from "./options.js";
import { scoreTokens, sumUp } from "./score.js";

/** Options of {@link Generator.perplexity}. */
export interface PerplexityOptions {
  /** Tokens of a window, from 2. Default: the model's context length. */
  contextLength?: number;
  /**
   * Tokens from the beginning of one window to that of the next, up to `contextLength`. Fewer give each token
   * more context and take longer. Default: half of `contextLength`.
   */
  stride?: number;
  /** Aborts the call, also in the middle of the computation; it then rejects with an {@link AbortError}. */
  signal?: AbortSignal;
  /** Called whenever a window is finished. */
  onProgress?: (progress: Progress) => void;
}

/** What {@link Generator.perplexity} returns. */
export interface Perplexity {
  /** exp(-logProbability / scoredTokens); 1 when no token has a score. */
  readonly perplexity: number;
  /** Sum of the natural logarithms of the scored tokens' probabilities. */
  readonly logProbability: number;
  /** Tokens that were predicted: all but the first, and those that begin a window without any overlap. */
  readonly scoredTokens: number;
  /** Tokens of the document. */
  readonly tokens: number;
  /** Windows that were evaluated. */
  readonly windows: number;
}

/** A stretch of tokens that is evaluated, [begin, end), and the first of them that counts. */
interface Window {
  readonly begin: number;
  readonly end: number;
  readonly counted: number;
}

export async function perplexity(core: GeneratorCore, input: unknown, options: unknown): Promise<Perplexity> {
  // Arguments
  const document = generatorInput(core)(input, "text");
  const checked = checkOptions(options, "perplexity", {
    contextLength: integer(2, core.info.contextLength),
    stride: integer(1, core.info.contextLength),
    signal: abortSignal,
    onProgress: callback<(progress: Progress) => void>(),
  });
  const { signal, contextLength = core.info.contextLength } = checked;
  const stride = integer(1, contextLength)(checked.stride ?? Math.ceil(contextLength / 2), "stride");

  const ids =
    typeof document === "string" ? (await core.tokenizer.encodeAsync(document, { signal })).ids : document;
  const windows = slidingWindows(ids.length, contextLength, stride);
  const scoreWindow = async (index: number, stop: AbortSignal) => {
    const { begin, end, counted } = windows[index]!;
    // The first token of a window has nothing before it.
    const first = Math.max(1, counted - begin);
    const { logprobs } = await scoreTokens(core, { ids: ids.slice(begin, end), first }, 0, stop);
    return sumUp(logprobs);
  };
  const scores = await runConcurrently(windows.length, scoreWindow, checked);

  const logProbability = scores.reduce((sum, each) => sum + each.logProbability, 0);
  const scoredTokens = scores.reduce((sum, each) => sum + each.scoredTokens, 0);
  return {
    perplexity: Math.exp(-logProbability / Math.max(1, scoredTokens)),
    logProbability,
    scoredTokens,
    tokens: ids.length,
    windows: windows.length,
  };
}

/** Windows begin `stride` tokens apart until one reaches the end; in each, what the one before lacked counts. */
function slidingWindows(length: number, contextLength: number, stride: number): Window[] {
  const windows: Window[] = [];
  for (let begin = 0, counted = 0; counted < length; begin += stride) {
    const end = Math.min(begin + contextLength, length);
    windows.push({ begin, end, counted });
    counted = end;
  }
  return windows;
}
