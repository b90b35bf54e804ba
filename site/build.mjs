// Builds the site into site/dist: gathers the pages, makes the reference, and lets VitePress do the rest.
//
//   node build.mjs [--pages]    only the pages, for `vitepress dev`
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { PAGES } from "./contents.mjs";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const ROOT = path.resolve(HERE, "..");
const TARGET = path.join(HERE, "build", "pages");
const require = createRequire(import.meta.url);

function gatherPages() {
  fs.rmSync(TARGET, { recursive: true, force: true });
  fs.mkdirSync(TARGET, { recursive: true });
  fs.copyFileSync(path.join(HERE, "index.md"), path.join(TARGET, "index.md"));
  for (const { file, page } of PAGES.values()) {
    const text = fs.readFileSync(path.join(ROOT, file), "utf8");
    fs.writeFileSync(path.join(TARGET, `${page}.md`), withLinksOfSite(text, file));
  }
}

/** Links between files become links between pages; what has no page keeps its name alone. */
function withLinksOfSite(text, file) {
  return text.replace(/\[([^\]]*)\]\(([^)\s]+)\)/g, (link, name, target) => {
    if (/^(?:https?:|#)/.test(target)) return link;
    const [relative, anchor] = target.split("#");
    const wanted = path.posix.join(path.posix.dirname(file), relative);
    const page = PAGES.get(wanted)?.page;
    if (page !== undefined) return `[${name}](./${page}.md${anchor === undefined ? "" : `#${anchor}`})`;
    if (!fs.existsSync(path.join(ROOT, wanted)))
      throw new Error(`${file} links to ${target}, which is not there`);
    return name;
  });
}

/** Runs the program of a package; what it reports as an error ends the build. */
function run(name, file, ...args) {
  const program = path.join(path.dirname(require.resolve(`${name}/package.json`)), file);
  const { status } = spawnSync(process.execPath, [program, ...args], { cwd: HERE, stdio: "inherit" });
  if (status !== 0) throw new Error(`${name} failed`);
}

try {
  gatherPages();
  run("typedoc", "bin/typedoc", "--options", "typedoc.json");
  if (!process.argv.includes("--pages")) run("vitepress", "bin/vitepress.js", "build");
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
