/** Tokenization: what the rest of the package and its users see of it. */
export { Encoding } from "./encoding.js";
export type { GgufMetadata } from "./load-gguf.js";
export { TokenStream } from "./token-stream.js";
export {
  Tokenizer,
  type DecodeOptions,
  type EncodeAsyncOptions,
  type EncodeBatchOptions,
  type EncodeOptions,
  type SpecialIds,
  type TokenStreamOptions,
} from "./tokenizer.js";
export type { SpecialRole } from "./tokenizer-parts.js";
export type { TruncationStrategy } from "./truncation.js";
