/** Text as a terminal shows it: safe, and of a known width. */

const CONTROLS = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;
const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Control characters as escapes, since a file or a model may hold what a terminal would obey. */
export function printable(text: string): string {
  return text.replace(
    CONTROLS,
    (control) => NAMED[control] ?? `\\u{${control.codePointAt(0)!.toString(16)}}`,
  );
}

/** Like {@link printable}, but leaves line breaks and tabs as they are. */
export function printableLines(text: string): string {
  return text.replace(CONTROLS, (control) =>
    control === "\n" || control === "\t" ? control : printable(control),
  );
}

const ZERO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
const DOUBLE_WIDTH =
  /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303f\uff00-\uff60]$/u;

/** Columns a terminal needs for one code point. */
function widthOf(character: string): number {
  if (character >= " " && character <= "~") return 1;
  if (ZERO_WIDTH.test(character)) return 0;
  return DOUBLE_WIDTH.test(character) ? 2 : 1;
}

/** Columns a terminal needs for a line of text. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += widthOf(character);
  return width;
}

/** The text on one line, cut to `width` columns. */
export function excerpt(text: string, width: number): string {
  // A text may be megabytes long; no character is wider than two code units are long.
  const line = printable(text.slice(0, 4 * width));
  if (line.length === text.length && displayWidth(line) <= width) return line;
  let kept = "";
  let columns = 0;
  for (const character of line) {
    columns += widthOf(character);
    if (columns > width - 1) return `${kept}…`;
    kept += character;
  }
  return `${kept}…`;
}

/** `1234567` as `1,234,567`. */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** Bytes in the decimal unit that suits them, three significant digits. */
export function formatBytes(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let value = bytes;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : Number(value.toPrecision(3))} ${units[unit]}`;
}

/** Milliseconds as `340 ms`, `2.4 s` or `3 min 5 s`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
