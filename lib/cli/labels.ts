import type { LabelScore } from "../tasks/label-scores.js";
import type { Output } from "./output.js";
import { formatTable } from "./table.js";
import { excerpt, printable } from "./text.js";

/** A text and a line per label, with a share where scores are probabilities. */
export async function printLabels(
  out: Output,
  text: string,
  predictions: readonly LabelScore[],
  isLater: boolean,
): Promise<void> {
  await out.write(`${isLater ? "\n" : ""}${out.bold(excerpt(text, out.columns))}\n`);
  const isShare = predictions.every(({ score }) => score >= 0 && score <= 1);
  const rows = predictions.map(({ label, score }) => [
    isShare ? `${(100 * score).toFixed(1)} %` : score.toFixed(3),
    printable(label),
  ]);
  await out.write(formatTable(rows, { indent: "  ", right: [0] }));
}
