import type { AlignedText } from "./aligned-text.js";
import type { Steps } from "./time-slices.js";
import type { TokenSink } from "./token-sink.js";
import type { Vocabulary } from "./vocabulary.js";

/** Splits words into tokens of a vocabulary. */
export interface Model {
  readonly vocabulary: Vocabulary;
  /** The token for what the vocabulary cannot spell, when there is one. */
  readonly unknownToken: string | undefined;
  /** Whether pieces of a word but the first are spelt with a prefix of their own, such as `##`. */
  readonly marksContinuations: boolean;
  /** Words of more units than this take long enough to be done in steps, by `tokenizeLong`. */
  readonly longWord: number;
  /** Appends the tokens of the word at units `from` to `to`, whose rolling hash is `hash`. */
  tokenize(text: AlignedText, from: number, to: number, hash: number, sink: TokenSink, word: number): void;
  tokenizeLong(text: AlignedText, from: number, to: number, sink: TokenSink, word: number): Steps<void>;
}
