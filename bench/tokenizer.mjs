// Speed of tokenization on English prose: this package, @huggingface/tokenizers (JavaScript) and the Rust tokenizers,
// on the same texts, in one run, turn by turn. The ids are compared first.
//   node bench/tokenizer.mjs [--rounds 7] [--characters 400000]
import assert from "node:assert/strict";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Tokenizer as Peer } from "@huggingface/tokenizers";
import { hardware, interleaved, seconds } from "./measure.mjs";

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), "..");
const require = createRequire(path.join(ROOT, "package.json"));
const { Tokenizer } = require("./dist/tokenizer/index.js");
const { Tokenizer: Rust } = require("@anush008/tokenizers");

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    characters: { type: "string", default: "400000" },
  },
});
const rounds = Number(flags.rounds);

/** Prose of READMEs and documentation: paragraphs without code, tables and links alone. */
function prose(characters) {
  const paragraphs = [];
  let length = 0;
  const visit = (folder) => {
    for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
      if (length >= characters) return;
      const file = path.join(folder, entry.name);
      if (entry.isDirectory()) visit(file);
      else if (/\.md$|^licen[sc]e/i.test(entry.name)) {
        for (const paragraph of fs.readFileSync(file, "utf8").split(/\n\s*\n/)) {
          const words = paragraph.match(/[A-Za-z]+/g)?.length ?? 0;
          if (words < 12 || /[`|<>{}]|https?:/.test(paragraph) || paragraph.length > words * 8) continue;
          paragraphs.push(paragraph);
          length += paragraph.length;
        }
      }
    }
  };
  visit(path.join(ROOT, "node_modules"));
  return paragraphs;
}

async function engines(name) {
  const json = fs.readFileSync(path.join(ROOT, "test", "fixtures", "tokenizers", name), "utf8");
  const ours = await Tokenizer.fromJson(json);
  const peer = new Peer(JSON.parse(json), {});
  const rust = Rust.fromString(json);
  return [
    { name: "ggml-transformers", encode: (texts) => texts.map((text) => ours.encode(text).ids) },
    { name: "@huggingface/tokenizers", encode: (texts) => texts.map((text) => peer.encode(text).ids) },
    {
      name: "Rust, ids to JavaScript",
      encode: async (texts) => (await rust.encodeBatch(texts)).map((encoding) => encoding.getIds()),
    },
  ];
}

/** Every engine must do the same work. */
async function checkIds(list, texts) {
  const [ours, ...others] = list;
  const ids = await ours.encode(texts);
  for (const other of others) {
    const theirs = await other.encode(texts);
    let different = 0;
    texts.forEach((_, i) => {
      if (Array.from(ids[i]).join() !== Array.from(theirs[i]).join()) different++;
    });
    if (different > 0) console.log(`  ${other.name} differs in ${different} of ${texts.length} texts`);
    if (other.name.startsWith("Rust")) assert.equal(different, 0);
  }
}

const machine = hardware();
console.log(`${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${machine.node}`);
console.log(`load average before: ${machine.loadBefore.toFixed(2)}; medians of ${rounds} rounds\n`);
const paragraphs = prose(Number(flags.characters));
const whole = [paragraphs.join("\n\n")];
for (const [label, file] of [
  ["WordPiece (BERT)", "bert.json"],
  ["byte-level BPE (GPT-2)", "gpt2.json"],
]) {
  const list = await engines(file);
  for (const [kind, texts] of [
    [`${paragraphs.length} paragraphs`, paragraphs],
    ["one text", whole],
  ]) {
    const characters = texts.reduce((sum, text) => sum + text.length, 0);
    console.log(`${label}, ${kind}, ${characters} characters`);
    await checkIds(list, texts);
    const rate = await interleaved(list, rounds, async (engine) => {
      return characters / 1e6 / (await seconds(() => engine.encode(texts)));
    });
    const base = rate["@huggingface/tokenizers"];
    for (const [name, value] of Object.entries(rate)) {
      console.log(
        `  ${name.padEnd(24)} ${value.toFixed(2).padStart(7)} million characters/s  ${(value / base).toFixed(1)}x`,
      );
    }
  }
}
