/** Attention maps as a page that needs nothing but itself. */
import { fillPage } from "./attention-page.js";
import { expected, isObject, nonEmptyString, checkOptions, type Check } from "./options.js";
import type { Tensor } from "./tensor.js";

/** Options of {@link attentionHtml}. */
export interface AttentionHtmlOptions {
  /** Heading of the page. Default: the tokens. */
  title?: string;
}

/** What {@link attentionHtml} draws: what `encode` returns with `attentions: true`. */
export interface AttentionInput {
  /** [S] */
  readonly tokens: readonly string[];
  /** `[L, A, S, S]`: layer, head, query, key. */
  readonly attentions?: Tensor;
}

/**
 * A page with a map for every layer and head, and for the mean of each layer's heads; one of them is shown large. Rows
 * are the tokens that look, columns those they look at, and the stronger the colour, the more. It follows the reader's
 * choice of a light or a dark screen, and loads nothing from elsewhere. Values are kept in 256 steps of their square
 * root, so that small ones can be told apart.
 */
export function attentionHtml(output: AttentionInput, options?: AttentionHtmlOptions): string {
  const { tokens, attentions } = attentionInput(output, "output");
  const { title = tokens.join(" ") } = checkOptions(options, "attentionHtml", { title: nonEmptyString });
  const [layers, heads] = attentions.shape as [number, number];
  const data = { layers, heads, tokens, maps: encode(attentions.data) };
  return fillPage(title, data);
}

const attentionInput: Check<{ tokens: readonly string[]; attentions: Tensor }> = (value, name) => {
  const { tokens, attentions } = isObject(value) ? (value as Partial<AttentionInput>) : {};
  const holds =
    Array.isArray(tokens) &&
    tokens.every((token) => typeof token === "string") &&
    attentions?.data instanceof Float32Array &&
    attentions.shape.length === 4 &&
    attentions.shape[2] === tokens.length &&
    attentions.shape[3] === tokens.length &&
    attentions.shape.reduce((size, n) => size * n, 1) === attentions.data.length;
  if (!holds) throw expected("what encode returns with attentions: true", name, value);
  return { tokens: tokens as readonly string[], attentions };
};

function encode(values: Float32Array): string {
  return Buffer.from(Uint8Array.from(values, (value) => Math.round(255 * Math.sqrt(value)))).toString(
    "base64",
  );
}
