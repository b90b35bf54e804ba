import fs from "node:fs";
import { defineConfig } from "vitepress";
import { GUIDES, PAGES, REFERENCE } from "../contents.mjs";

const API = new URL("../build/pages/api/typedoc-sidebar.json", import.meta.url);

const groups = (list) =>
  list.map(({ text, pages }) => ({
    text,
    items: pages.map(([title, file]) => ({ text: title, link: `/${PAGES.get(file).page}` })),
  }));

/** What typedoc has made, by kind, with the errors apart; the long lists are closed at first. */
function apiGroups() {
  const kinds = JSON.parse(fs.readFileSync(API, "utf8"));
  return kinds.flatMap(({ text, items }) => {
    if (text !== "Classes") return [{ text, items, collapsed: text !== "Functions" }];
    const isError = (item) => item.text.endsWith("Error");
    return [
      { text, items: items.filter((item) => !isError(item)), collapsed: false },
      { text: "Errors", items: items.filter(isError), collapsed: true },
    ];
  });
}

const guides = groups(GUIDES);
const reference = [
  ...groups(REFERENCE),
  { text: "Programming interface", items: [{ text: "Everything", link: "/api/" }] },
  ...apiGroups(),
];

export default defineConfig({
  title: "ggml-transformers",
  description: "BERT and GPT-2 models inside a Node process: quantized, offline, fast.",
  srcDir: "build/pages",
  outDir: "dist",
  cacheDir: "build/cache",
  base: process.env["SITE_BASE"] ?? "/",
  cleanUrls: true,
  lastUpdated: false,
  // The index of the local search is one file.
  vite: { build: { chunkSizeWarningLimit: 3000 } },
  head: [
    [
      "link",
      {
        rel: "icon",
        href: "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' rx='7' fill='%230f766e'/%3E%3Cpath d='M7 23V9l9 9 9-9v14' fill='none' stroke='white' stroke-width='3'/%3E%3C/svg%3E",
      },
    ],
  ],
  themeConfig: {
    nav: [
      {
        text: "Guides",
        link: "/getting-started",
        activeMatch: `^/(?!api/|troubleshooting|${reference[0].items.map(({ link }) => link.slice(1)).join("|")}|$)`,
      },
      { text: "Reference", link: "/api/", activeMatch: "^/api/" },
      { text: "Troubleshooting", link: "/troubleshooting" },
    ],
    sidebar: {
      "/": guides,
      "/api/": reference,
      ...Object.fromEntries(reference[0].items.map(({ link }) => [link, reference])),
    },
    outline: { level: [2, 3] },
    search: { provider: "local" },
    docFooter: { prev: "Previous", next: "Next" },
    footer: { message: "MIT licensed. GGML, linked into the addon, is MIT as well." },
  },
});
