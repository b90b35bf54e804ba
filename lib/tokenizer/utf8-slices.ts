/** UTF-8 encoding in slices: `Buffer.from` takes tens of milliseconds for a tokenizer.json of 17 MB. */
import type { Steps } from "./time-slices.js";

/** UTF-16 units encoded between two yields. */
const UNITS_PER_STEP = 32 * 1024;

/** The UTF-8 bytes of a text; lone surrogates become U+FFFD. */
export function* encodeUtf8InSteps(text: string): Steps<Buffer> {
  let size = 0;
  for (const part of partsOf(text)) {
    size += Buffer.byteLength(part);
    yield;
  }
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (const part of partsOf(text)) {
    at += bytes.write(part, at);
    yield;
  }
  return bytes;
}

/** Stretches of a text, never parting a surrogate pair. */
function* partsOf(text: string): Generator<string, void, void> {
  for (let at = 0; at < text.length;) {
    let end = at + UNITS_PER_STEP;
    if ((text.charCodeAt(end) & 0xfc00) === 0xdc00) end++;
    yield text.slice(at, end);
    at = end;
  }
}
