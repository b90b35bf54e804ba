/** Aligned columns. */
import { displayWidth } from "./text.js";

export interface TableLayout {
  /** Columns set flush right, counted from 0. Default: none. */
  right?: readonly number[];
  /** Put before every line. Default: none. */
  indent?: string;
  /** Applied to the first row. */
  header?: (line: string) => string;
}

/** Rows of cells as lines of text, two spaces between columns, ending with a line break. */
export function formatTable(rows: readonly (readonly string[])[], layout: TableLayout = {}): string {
  const { right = [], indent = "", header } = layout;
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, displayWidth(cell))));
  }
  const pad = (cell: string, column: number) => {
    const blanks = " ".repeat(widths[column]! - displayWidth(cell));
    return right.includes(column) ? blanks + cell : cell + blanks;
  };
  const lines = rows.map((row) => (indent + row.map(pad).join("  ")).trimEnd());
  if (header && lines.length > 0) lines[0] = header(lines[0]!);
  return lines.map((line) => `${line}\n`).join("");
}
