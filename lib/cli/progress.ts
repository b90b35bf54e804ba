/** Progress on standard error, only when it is a terminal. */
import type * as CliProgress from "cli-progress";

/** Work that is done before this many milliseconds shows no bar. */
const PATIENCE_MS = 250;

/** A bar that appears when the work takes a while, and leaves no trace. */
export class ProgressBar {
  readonly #label: string;
  readonly #begin = performance.now();
  #bar: CliProgress.SingleBar | undefined;

  constructor(label: string) {
    this.#label = label;
  }

  /**
   * @param fraction - From 0 to 1; undefined when the amount of work is not known.
   * @param note - Shown behind the bar, for example `"512 texts"`.
   */
  update(fraction: number | undefined, note = ""): void {
    if (!process.stderr.isTTY || performance.now() - this.#begin < PATIENCE_MS) return;
    this.#bar ??= this.#draw(fraction !== undefined);
    this.#bar.update(Math.round(1000 * Math.min(1, fraction ?? 0)), { note });
  }

  /** Takes the bar off the terminal; a later update brings it back. */
  hide(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #draw(hasTotal: boolean): CliProgress.SingleBar {
    // Loaded here, since most runs draw nothing.
    const { SingleBar, Presets } = require("cli-progress") as typeof CliProgress;
    const format = hasTotal ? `${this.#label} {bar} {percentage}%  {note}` : `${this.#label}  {note}`;
    const bar = new SingleBar(
      { format, stream: process.stderr, barsize: 30, hideCursor: true, clearOnComplete: true, fps: 10 },
      Presets.shades_classic,
    );
    bar.start(1000, 0, { note: "" });
    return bar;
  }
}

/** Shows how far `work` has come. */
export async function withProgress<T>(
  label: string,
  work: (report: (fraction: number) => void) => Promise<T>,
): Promise<T> {
  const bar = new ProgressBar(label);
  try {
    return await work((fraction) => bar.update(fraction));
  } finally {
    bar.hide();
  }
}
