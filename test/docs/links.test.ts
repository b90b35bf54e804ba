/** Every link between pages leads to a file, and to a heading where it names one. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { ROOT } from "../cli/run-cli.js";
import { anchors, localLinks, PAGES } from "./markdown.js";

describe("links of", () => {
  it.each(PAGES)("%s", (page) => {
    for (const { file, anchor } of localLinks(page)) {
      const target = file === "" ? page : normalize(join(dirname(page), file)).replaceAll("\\", "/");
      expect(existsSync(join(ROOT, target)), `${page} links to ${target}`).toBe(true);
      if (anchor !== undefined) expect([...anchors(target)], `${page} links to ${target}`).toContain(anchor);
    }
  });
});

describe("the site", () => {
  it("has a page for every guide, and for every link of its home page", async () => {
    const { PAGES: pages } = (await import(pathToFileURL(join(ROOT, "site", "contents.mjs")).href)) as {
      PAGES: Map<string, { page: string }>;
    };
    expect([...pages.keys()].filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
    expect(PAGES.filter((page) => page.startsWith("docs/") && !pages.has(page))).toEqual([]);
    const known = new Set([...pages.values()].map(({ page }) => page));
    const home = readFileSync(join(ROOT, "site", "index.md"), "utf8");
    const links = Array.from(home.matchAll(/^ +link: \/([^#\n]*)/gm), (match) => match[1]!);
    expect(links.length).toBeGreaterThan(0);
    expect(links.filter((link) => link !== "api/" && !known.has(link))).toEqual([]);
  });
});

describe("guides", () => {
  it.each(PAGES.filter((page) => page.startsWith("docs/")))("%s can be found from the README", (page) => {
    const seen = new Set(["README.md"]);
    for (const from of seen) {
      for (const { file } of localLinks(from)) {
        if (file.endsWith(".md")) seen.add(normalize(join(dirname(from), file)).replaceAll("\\", "/"));
      }
    }
    expect([...seen]).toContain(page);
  });
});
