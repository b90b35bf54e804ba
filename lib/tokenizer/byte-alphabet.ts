/**
 * The byte alphabet of GPT-2: every byte has a printable character, so that any byte sequence can be a vocabulary
 * entry. Printable bytes of Latin-1 stand for themselves, the others for U+0100 and on.
 */

function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

/** The character of each byte. */
export const BYTE_CHARACTERS: readonly string[] = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++));
})();

/** The byte of a character's code, or -1 when it is not in the alphabet. */
export const CHARACTER_BYTES: Int16Array = (() => {
  const bytes = new Int16Array(0x144).fill(-1);
  BYTE_CHARACTERS.forEach((character, byte) => (bytes[character.charCodeAt(0)] = byte));
  return bytes;
})();

/** The character of the space byte. */
export const SPACE_CHARACTER = BYTE_CHARACTERS[0x20]!;

/** Writes a code point as UTF-8 and returns the number of bytes. */
export function writeUtf8(codePoint: number, into: Uint8Array): number {
  if (codePoint < 0x80) {
    into[0] = codePoint;
    return 1;
  }
  if (codePoint < 0x800) {
    into[0] = 0xc0 | (codePoint >> 6);
    into[1] = 0x80 | (codePoint & 0x3f);
    return 2;
  }
  if (codePoint < 0x10000) {
    into[0] = 0xe0 | (codePoint >> 12);
    into[1] = 0x80 | ((codePoint >> 6) & 0x3f);
    into[2] = 0x80 | (codePoint & 0x3f);
    return 3;
  }
  into[0] = 0xf0 | (codePoint >> 18);
  into[1] = 0x80 | ((codePoint >> 12) & 0x3f);
  into[2] = 0x80 | ((codePoint >> 6) & 0x3f);
  into[3] = 0x80 | (codePoint & 0x3f);
  return 4;
}
