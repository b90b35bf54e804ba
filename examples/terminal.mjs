// Output for people: bold and dim where the terminal can, a progress bar where there is one.
import cliProgress from "cli-progress";

const hasColours = process.stdout.isTTY === true && process.stdout.hasColors();

export const bold = (text) => (hasColours ? `\u001b[1m${text}\u001b[22m` : text);
export const dim = (text) => (hasColours ? `\u001b[2m${text}\u001b[22m` : text);

/** Prints a line made of parts. */
export function line(...parts) {
  process.stdout.write(`${parts.join("")}\n`);
}

/** The beginning of a text, cut between words. */
export function excerpt(text, length) {
  if (text.length <= length) return text;
  const end = text.lastIndexOf(" ", length - 3);
  return `${text.slice(0, end > 0 ? end : length - 3)} ...`;
}

/** A bar on a terminal, nothing elsewhere. */
export function progressBar(label, total) {
  if (process.stderr.isTTY !== true) return { update() {}, stop() {} };
  const bar = new cliProgress.SingleBar(
    {
      format: `${label} {bar} {value}/{total}`,
      stream: process.stderr,
      barsize: 40,
      hideCursor: true,
      clearOnComplete: true,
    },
    cliProgress.Presets.shades_classic,
  );
  bar.start(total, 0);
  return bar;
}

/** Writes text as it arrives, broken into lines of at most `columns`, indented by two. */
export function wrapped(columns) {
  let column = 0;
  let word = "";
  const flush = () => {
    if (word === "") return;
    const fits = column > 0 && column + 1 + word.length <= columns;
    process.stdout.write(fits ? ` ${word}` : `${column > 0 ? "\n" : ""}  ${word}`);
    column = (fits ? column + 1 : 2) + word.length;
    word = "";
  };
  return {
    write(text) {
      for (const character of text) {
        if (/\s/.test(character)) flush();
        else word += character;
      }
    },
    end() {
      flush();
      process.stdout.write("\n");
    },
  };
}
