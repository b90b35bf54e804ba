/** Code blocks of a Markdown file. */
import { readFileSync } from "node:fs";

export interface CodeBlock {
  language: string;
  code: string;
  /** Line of the first line of code, counted from 1. */
  line: number;
}

export function codeBlocks(path: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let open: { language: string; line: number; lines: string[] } | undefined;
  for (const [i, line] of readFileSync(path, "utf8").split("\n").entries()) {
    const fence = /^```(\w*)\s*$/.exec(line);
    if (open === undefined) {
      if (fence) open = { language: fence[1]!, line: i + 2, lines: [] };
    } else if (fence) {
      blocks.push({ language: open.language, code: open.lines.join("\n"), line: open.line });
      open = undefined;
    } else {
      open.lines.push(line);
    }
  }
  if (open !== undefined) throw new Error(`${path}:${open.line}: the code block has no end`);
  return blocks;
}

/** Targets of links and images, without fragments, of those that are not on the web. */
export function localLinks(path: string): string[] {
  const targets = Array.from(readFileSync(path, "utf8").matchAll(/\]\(([^)\s]+)\)/g), (match) => match[1]!);
  return targets.filter((target) => !/^(?:https?:|#)/.test(target)).map((target) => target.split("#")[0]!);
}
