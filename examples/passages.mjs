// Splits Markdown into passages: one per paragraph, with the headings above it.
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** Shorter paragraphs say too little to be found by. */
const LEAST_WORDS = 12;

/**
 * The passages of files and folders of Markdown below `root`: `{ file, title, body, text }`, where `text`, the
 * title and the body together, is what to embed.
 */
export async function readPassages(root, names) {
  const passages = [];
  for (const file of await markdownFiles(root, names)) {
    passages.push(...split(await readFile(new URL(file, root), "utf8"), file));
  }
  return passages;
}

async function markdownFiles(root, names) {
  const files = await Promise.all(
    names.map(async (name) => {
      if (name.endsWith(".md")) return [name];
      const entries = await readdir(fileURLToPath(new URL(name, root)));
      return entries
        .filter((entry) => entry.endsWith(".md"))
        .sort()
        .map((entry) => `${name}/${entry}`);
    }),
  );
  return files.flat();
}

function split(markdown, file) {
  const passages = [];
  let title = file;
  // Code is not prose: it is left out.
  for (const block of markdown.replace(/^```.*?^```$/gms, "").split(/\n(?=#)|\n\s*\n|(?<=^#.*)\n/m)) {
    const heading = /^#+\s+(.+)/.exec(block);
    if (heading) title = plain(heading[1]);
    else if (isProse(block)) passages.push(passage(file, title, plain(block)));
  }
  return passages;
}

function isProse(block) {
  return !/^\s*[|<]/.test(block) && block.split(/\s+/).length >= LEAST_WORDS;
}

function passage(file, title, body) {
  return { file, title, body, text: `${title}: ${body}` };
}

/** Without the marks of emphasis, code and links, on one line. */
function plain(markdown) {
  return markdown
    .replace(/\[([^\]]+)\]\([^)]*\)/g, "$1")
    .replace(/[*`]/g, "")
    .replace(/^\s*(?:[-*]|\d+\.)\s+/gm, "")
    .replace(/\s+/g, " ")
    .trim();
}
