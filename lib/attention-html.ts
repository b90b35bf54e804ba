/** Attention maps as a page that needs nothing but itself. */
import { expected, isObject, nonEmptyString, checkOptions, type Check } from "./options.js";
import type { Tensor } from "./tensor.js";

/** Options of {@link attentionHtml}. */
export interface AttentionHtmlOptions {
  /** Heading of the page. Default: the tokens. */
  title?: string;
}

/** What {@link attentionHtml} draws: what `encode` returns with `attentions: true`. */
export interface AttentionInput {
  /** [S] */
  readonly tokens: readonly string[];
  /** [L, A, S, S]: layer, head, query, key. */
  readonly attentions?: Tensor;
}

/**
 * A page with a map for every layer and head, and one of them large: rows are the tokens that look, columns those
 * they look at, and the darker a field, the more. Nothing is loaded from elsewhere. Values are kept in 256 steps of
 * their square root, so that small ones can be told apart.
 */
export function attentionHtml(output: AttentionInput, options?: AttentionHtmlOptions): string {
  const { tokens, attentions } = attentionInput(output, "output");
  const { title = tokens.join(" ") } = checkOptions(options, "attentionHtml", { title: nonEmptyString });
  const [layers, heads] = attentions.shape;
  const data = { layers, heads, tokens, maps: encode(attentions.data) };
  // Inside a script element, nothing of the text may look like its end.
  const json = JSON.stringify(data).replaceAll("<", "\\u003c");
  const parts: Record<string, string> = { title: escapeHtml(title), data: json, script: SCRIPT };
  return PAGE.replace(/\{(title|data|script)\}/g, (_, name: string) => parts[name]!);
}

const attentionInput: Check<{ tokens: readonly string[]; attentions: Tensor }> = (value, name) => {
  const { tokens, attentions } = isObject(value) ? (value as Partial<AttentionInput>) : {};
  const holds =
    Array.isArray(tokens) &&
    tokens.every((token) => typeof token === "string") &&
    attentions?.data instanceof Float32Array &&
    attentions.shape.length === 4 &&
    attentions.shape[2] === tokens.length &&
    attentions.shape[3] === tokens.length &&
    attentions.shape.reduce((size, n) => size * n, 1) === attentions.data.length;
  if (!holds) throw expected("what encode returns with attentions: true", name, value);
  return { tokens: tokens as readonly string[], attentions };
};

function encode(values: Float32Array): string {
  return Buffer.from(Uint8Array.from(values, (value) => Math.round(255 * Math.sqrt(value)))).toString(
    "base64",
  );
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const SCRIPT = `
const { layers, heads, tokens, maps } = JSON.parse(document.getElementById("data").textContent);
const S = tokens.length;
const values = Uint8Array.from(atob(maps), (character) => character.charCodeAt(0));
const mapOf = (layer, head) => values.subarray((layer * heads + head) * S * S, (layer * heads + head + 1) * S * S);
const shareOf = (value) => (value / 255) ** 2;

// One pixel per pair of tokens: from white to dark blue.
function draw(canvas, map) {
  canvas.width = canvas.height = S;
  const context = canvas.getContext("2d");
  const image = context.createImageData(S, S);
  for (let i = 0; i < S * S; i++) {
    image.data[4 * i] = 255 - map[i];
    image.data[4 * i + 1] = 255 - 0.8 * map[i];
    image.data[4 * i + 2] = 255 - 0.45 * map[i];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

const large = document.getElementById("large");
const readout = document.getElementById("readout");
const thumbnails = [];
let shown = [layers - 1, 0];

function show(layer, head) {
  shown = [layer, head];
  draw(large, mapOf(layer, head));
  for (const { canvas, place } of thumbnails) canvas.className = place[0] === layer && place[1] === head ? "on" : "";
  readout.textContent = "layer " + (layer + 1) + ", head " + (head + 1);
}

function label(parent, text) {
  const element = document.createElement("span");
  element.textContent = text;
  parent.append(element);
}

const grid = document.getElementById("grid");
grid.style.gridTemplateColumns = "auto repeat(" + heads + ", 1fr)";
for (let layer = 0; layer < layers; layer++) {
  label(grid, "layer " + (layer + 1));
  for (let head = 0; head < heads; head++) {
    const canvas = document.createElement("canvas");
    canvas.title = "layer " + (layer + 1) + ", head " + (head + 1);
    draw(canvas, mapOf(layer, head));
    canvas.addEventListener("click", () => show(layer, head));
    thumbnails.push({ canvas, place: [layer, head] });
    grid.append(canvas);
  }
}
const rows = document.getElementById("rows");
const columns = document.getElementById("columns");
for (const token of tokens) {
  label(rows, token);
  label(columns, token);
}
document.documentElement.style.setProperty("--cell", Math.max(5, Math.min(22, Math.floor(880 / S))) + "px");
document.documentElement.style.setProperty("--tokens", S);
large.addEventListener("mousemove", (event) => {
  const box = large.getBoundingClientRect();
  const place = (at, from, size) => Math.max(0, Math.min(S - 1, Math.floor(((at - from) / size) * S)));
  const query = place(event.clientY, box.top, box.height);
  const key = place(event.clientX, box.left, box.width);
  const share = shareOf(mapOf(...shown)[query * S + key]);
  readout.textContent = "layer " + (shown[0] + 1) + ", head " + (shown[1] + 1) + ": " + tokens[query] +
    " looks at " + tokens[key] + ", about " + (100 * share).toFixed(1) + " %";
});
show(...shown);
`;

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Attention: {title}</title>
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 2rem; color: #1a2233; background: #fff; }
h1 { font-size: 1.1rem; font-weight: 600; overflow-wrap: anywhere; }
canvas { image-rendering: pixelated; display: block; }
#grid { display: inline-grid; gap: 4px; align-items: center; }
#grid canvas { width: 56px; height: 56px; border: 2px solid #dde; cursor: pointer; }
#grid canvas.on { border-color: #c40; }
#view { display: grid; grid-template-columns: max-content max-content; margin-top: 1.5rem; }
#large { width: calc(var(--cell) * var(--tokens)); height: calc(var(--cell) * var(--tokens)); border: 1px solid #dde; }
#rows span, #columns span { font-size: calc(var(--cell) * 0.62); line-height: var(--cell); white-space: pre; }
#rows span { display: block; height: var(--cell); text-align: right; padding-right: 6px; }
#columns { display: flex; align-items: flex-end; grid-column: 2; }
#columns span { writing-mode: vertical-rl; transform: rotate(180deg); width: var(--cell); padding-top: 6px; }
#readout { min-height: 1.5em; }
</style>
</head>
<body>
<h1>{title}</h1>
<p>Rows are the tokens that look, columns those they look at. Choose a layer and a head.</p>
<div id="grid"></div>
<p id="readout"></p>
<div id="view"><div id="columns"></div><div id="rows"></div><canvas id="large"></canvas></div>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
`;
