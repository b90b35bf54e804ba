/** What tests need of a Markdown file: its code blocks, its links, and what can be linked to. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../cli/run-cli.js";

/** Every page of documentation, relative to the repository. */
export const PAGES: readonly string[] = [
  ...markdownFiles(""),
  ...["docs", "models", "bench", "site"].flatMap(markdownFiles),
];

function markdownFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => (folder === "" ? name : `${folder}/${name}`));
}

export interface CodeBlock {
  language: string;
  code: string;
  /** Line of the first line of code, counted from 1. */
  line: number;
}

export function codeBlocks(page: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let open: { language: string; line: number; lines: string[] } | undefined;
  for (const [i, line] of read(page).split("\n").entries()) {
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
  if (open !== undefined) throw new Error(`${page}:${open.line}: the code block has no end`);
  return blocks;
}

/** Links and images that are not on the web: the file, empty for the page itself, and the heading if there is one. */
export function localLinks(page: string): { file: string; anchor: string | undefined }[] {
  const targets = Array.from(prose(page).matchAll(/\]\(([^)\s]+)\)/g), (match) => match[1]!);
  return targets
    .filter((target) => !/^https?:/.test(target))
    .map((target) => {
      const [file, anchor] = target.split("#");
      return { file: file!, anchor };
    });
}

/** What `#...` may name: the headings, as GitHub and the site spell them. */
export function anchors(page: string): Set<string> {
  const headings = Array.from(prose(page).matchAll(/^#{1,6} +(.+)$/gm), (match) => match[1]!);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .trim()
        .replace(/ /g, "-"),
    ),
  );
}

function prose(page: string): string {
  return read(page).replace(/^```.*?^```$/gms, "");
}

function read(page: string): string {
  return readFileSync(join(ROOT, page), "utf8");
}
