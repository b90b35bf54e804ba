import type { InputOptions } from "../inputs.js";
import type { PoolingMode } from "../native.js";

/** Options of {@link Encoder.embed}. */
export interface EmbedOptions extends InputOptions {
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
}
