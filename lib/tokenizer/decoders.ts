/** Decoders: from tokens back to text. */
import { CHARACTER_BYTES } from "./byte-alphabet.js";
import { findMatches, type Pattern } from "./patterns.js";
import { runNow } from "./time-slices.js";

export interface Decoder {
  /** The parts of the text, one or more tokens to one: their concatenation is the text. */
  decode(tokens: readonly string[]): string[];
}

/** Undoes the spaces that tokenization of English leaves before punctuation and contractions. */
export function cleanUp(text: string): string {
  return text
    .replaceAll(" .", ".")
    .replaceAll(" ?", "?")
    .replaceAll(" !", "!")
    .replaceAll(" ,", ",")
    .replaceAll(" ' ", "'")
    .replaceAll(" n't", "n't")
    .replaceAll(" 'm", "'m")
    .replaceAll(" do not", " don't")
    .replaceAll(" 's", "'s")
    .replaceAll(" 've", "'ve")
    .replaceAll(" 're", "'re");
}

/** Words apart, continuations joined. */
export class WordPieceDecoder implements Decoder {
  constructor(
    private readonly prefix: string,
    private readonly cleansUp: boolean,
  ) {}

  decode(tokens: readonly string[]): string[] {
    return tokens.map((token, i) => {
      let part = token;
      if (i > 0) part = token.startsWith(this.prefix) ? token.slice(this.prefix.length) : ` ${token}`;
      return this.cleansUp ? cleanUp(part) : part;
    });
  }
}

/** The bytes of a token of the byte alphabet; of one that is not, its UTF-8. */
export function tokenBytes(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const unit = token.charCodeAt(i);
    const byte = unit < CHARACTER_BYTES.length ? CHARACTER_BYTES[unit]! : -1;
    if (byte < 0) return Buffer.from(token);
    bytes[i] = byte;
  }
  return bytes;
}

/** Bytes put together and read as UTF-8; what is not becomes U+FFFD. */
export class ByteLevelDecoder implements Decoder {
  decode(tokens: readonly string[]): string[] {
    return [new TextDecoder("utf-8", { ignoreBOM: true }).decode(Buffer.concat(tokens.map(tokenBytes)))];
  }
}

/** Marks become spaces; those of the first token go when the pre-tokenizer put one there. */
export class MetaspaceDecoder implements Decoder {
  constructor(
    private readonly mark: string,
    private readonly prepends: boolean,
  ) {}

  decode(tokens: readonly string[]): string[] {
    return tokens.map((token, i) => token.replaceAll(this.mark, i === 0 && this.prepends ? "" : " "));
  }
}

/** Tokens end with a suffix where a word ends. */
export class BpeDecoder implements Decoder {
  constructor(private readonly suffix: string) {}

  decode(tokens: readonly string[]): string[] {
    if (this.suffix === "") return [...tokens];
    return tokens.map((token, i) => token.replaceAll(this.suffix, i === tokens.length - 1 ? "" : " "));
  }
}

/** Tokens `<0x00>` to `<0xFF>` are bytes. */
export class ByteFallbackDecoder implements Decoder {
  decode(tokens: readonly string[]): string[] {
    const parts: string[] = [];
    let bytes: number[] = [];
    const flush = (): void => {
      if (bytes.length === 0) return;
      const text = Buffer.from(bytes).toString("utf8");
      // One replacement character per byte when they are not UTF-8 together.
      const valid = Buffer.from(text).equals(Buffer.from(bytes));
      if (valid) parts.push(text);
      else for (let i = 0; i < bytes.length; i++) parts.push("\ufffd");
      bytes = [];
    };
    for (const token of tokens) {
      const match = /^<0x([0-9A-Fa-f]{2})>$/.exec(token);
      if (match) {
        bytes.push(parseInt(match[1]!, 16));
      } else {
        flush();
        parts.push(token);
      }
    }
    flush();
    return parts;
  }
}

/** All parts become one. */
export class FuseDecoder implements Decoder {
  decode(tokens: readonly string[]): string[] {
    return [tokens.join("")];
  }
}

/** Removes up to so many of a character at the ends of each part. */
export class StripDecoder implements Decoder {
  constructor(
    private readonly character: string,
    private readonly start: number,
    private readonly stop: number,
  ) {}

  decode(tokens: readonly string[]): string[] {
    return tokens.map((token) => {
      const characters = Array.from(token);
      let from = 0;
      let to = characters.length;
      while (from < this.start && from < to && characters[from] === this.character) from++;
      for (let n = 0; n < this.stop && to > from && characters[to - 1] === this.character; n++) to--;
      return characters.slice(from, to).join("");
    });
  }
}

/** Replaces every match in each part. */
export class ReplaceDecoder implements Decoder {
  constructor(
    private readonly pattern: Pattern,
    private readonly content: string,
  ) {}

  decode(tokens: readonly string[]): string[] {
    return tokens.map((token) => {
      const matches = runNow(findMatches(this.pattern, token));
      let text = "";
      let at = 0;
      for (let m = 0; m < matches.length; m += 2) {
        text += token.slice(at, matches[m]) + this.content;
        at = matches[m + 1]!;
      }
      return text + token.slice(at);
    });
  }
}

export class DecoderSequence implements Decoder {
  constructor(private readonly decoders: readonly Decoder[]) {}

  decode(tokens: readonly string[]): string[] {
    let parts = [...tokens];
    for (const decoder of this.decoders) parts = decoder.decode(parts);
    return parts;
  }
}

/** Tokens with spaces between them: what a tokenizer without a decoder does. */
export class SpaceDecoder implements Decoder {
  decode(tokens: readonly string[]): string[] {
    return [tokens.join(" ")];
  }
}
