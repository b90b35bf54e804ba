/** The page around attention maps: what it looks like, and what it does in the browser. */

/** What the page's script reads. */
export interface AttentionPageData {
  readonly layers: number;
  readonly heads: number;
  readonly tokens: readonly string[];
  /** A byte for each value, in base64. */
  readonly maps: string;
}

/** The page, with a heading and its maps. */
export function fillPage(title: string, data: AttentionPageData): string {
  // Inside a script element, nothing of the text may look like its end.
  const json = JSON.stringify(data).replaceAll("<", "\\u003c");
  const parts: Record<string, string> = {
    title: escapeHtml(title),
    data: json,
    style: STYLE,
    script: SCRIPT,
  };
  return PAGE.replace(/\{(title|data|style|script)\}/g, (_, name: string) => parts[name]!);
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const SCRIPT = `
const { layers, heads, tokens, maps } = JSON.parse(document.getElementById("data").textContent);
const S = tokens.length;
const values = Uint8Array.from(atob(maps), (character) => character.charCodeAt(0));
const shareOf = (value) => (value / 255) ** 2;
const pageStyle = document.documentElement.style;

// The mean of a layer's heads stands behind them.
const mapOf = (layer, head) => {
  const own = (h) => values.subarray((layer * heads + h) * S * S, (layer * heads + h + 1) * S * S);
  if (head < heads) return own(head);
  const sums = new Float64Array(S * S);
  for (let h = 0; h < heads; h++) own(h).forEach((value, i) => { sums[i] += shareOf(value); });
  return Uint8Array.from(sums, (sum) => Math.round(255 * Math.sqrt(sum / heads)));
};
const nameOf = (layer, head) => "layer " + (layer + 1) + ", " + (head < heads ? "head " + (head + 1) : "mean of heads");

// Colours from nothing to everything, on a light and on a dark screen.
const STOPS = {
  light: [[255, 255, 255], [205, 222, 242], [116, 163, 214], [37, 94, 165], [9, 34, 82]],
  dark: [[22, 26, 35], [30, 58, 100], [45, 116, 181], [126, 192, 238], [244, 250, 255]],
};
const darkScreen = matchMedia("(prefers-color-scheme: dark)");
let palette;
function mixPalette() {
  const stops = STOPS[darkScreen.matches ? "dark" : "light"];
  palette = Array.from({ length: 256 }, (_, value) => {
    const at = (value / 255) * (stops.length - 1);
    const i = Math.min(stops.length - 2, Math.floor(at));
    return [0, 1, 2].map((c) => Math.round(stops[i][c] + (at - i) * (stops[i + 1][c] - stops[i][c])));
  });
}

// One pixel per pair of tokens.
function draw(canvas, map) {
  canvas.width = canvas.height = S;
  const context = canvas.getContext("2d");
  const image = context.createImageData(S, S);
  for (let i = 0; i < S * S; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = palette[map[i]][c];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

function add(parent, kind, text, className) {
  const element = document.createElement(kind);
  if (text !== undefined) element.textContent = text;
  if (className !== undefined) element.className = className;
  parent.append(element);
  return element;
}

const large = document.getElementById("large");
const readout = document.getElementById("readout");
const thumbnails = [];
let shown = [layers - 1, heads > 1 ? heads : 0];
let shownMap;

function show(layer, head) {
  shown = [layer, head];
  shownMap = mapOf(layer, head);
  draw(large, shownMap);
  for (const { button, place } of thumbnails) {
    const isShown = place[0] === layer && place[1] === head;
    button.className = isShown ? "on" : "";
    button.ariaPressed = String(isShown);
  }
  readout.textContent = nameOf(layer, head);
}

function drawAll() {
  mixPalette();
  for (const { canvas, place } of thumbnails) draw(canvas, mapOf(...place));
  show(...shown);
}

const columnCount = heads > 1 ? heads + 1 : heads;
const grid = document.getElementById("grid");
grid.style.gridTemplateColumns = "auto repeat(" + columnCount + ", auto)";
pageStyle.setProperty("--thumbnail", (heads > 8 ? 30 : 42) + "px");
add(grid, "span", "head");
for (let head = 0; head < columnCount; head++) add(grid, "span", head < heads ? head + 1 : "mean", "head");
for (let layer = 0; layer < layers; layer++) {
  add(grid, "span", "layer " + (layer + 1), "layer");
  for (let head = 0; head < columnCount; head++) {
    const button = add(grid, "button");
    button.title = button.ariaLabel = nameOf(layer, head);
    button.addEventListener("click", () => show(layer, head));
    thumbnails.push({ button, canvas: add(button, "canvas"), place: [layer, head] });
  }
}

const rows = document.getElementById("rows");
const columns = document.getElementById("columns");
const labels = tokens.map((token) => {
  const pair = [add(rows, "bdi", token), add(columns, "bdi", token)];
  for (const label of pair) label.title = token;
  return pair;
});
pageStyle.setProperty("--tokens", S);

const size = document.getElementById("size");
function resize() {
  pageStyle.setProperty("--cell", size.value + "px");
  document.getElementById("view").className = size.value < 10 ? "small" : "";
}
size.value = Math.max(3, Math.min(26, Math.floor(640 / S)));
size.addEventListener("input", resize);
resize();

let pointed = [];
function point(query, key) {
  for (const label of pointed) label.className = "";
  pointed = query === undefined ? [] : [labels[query][0], labels[key][1]];
  for (const label of pointed) label.className = "on";
}
large.addEventListener("mousemove", (event) => {
  const box = large.getBoundingClientRect();
  const place = (at, from, length) => Math.max(0, Math.min(S - 1, Math.floor(((at - from) / length) * S)));
  const query = place(event.clientY, box.top, box.height);
  const key = place(event.clientX, box.left, box.width);
  point(query, key);
  readout.textContent = nameOf(...shown) + ": \\u2068" + tokens[query] + "\\u2069 looks at \\u2068" + tokens[key] +
    "\\u2069, about " + (100 * shareOf(shownMap[query * S + key])).toFixed(1) + " %";
});
large.addEventListener("mouseleave", () => {
  point();
  readout.textContent = nameOf(...shown);
});

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
document.addEventListener("keydown", (event) => {
  const step = STEPS[event.key];
  if (step === undefined || event.target === size) return;
  event.preventDefault();
  const [layer, head] = [shown[0] + step[0], shown[1] + step[1]];
  if (layer < 0 || layer >= layers || head < 0 || head >= columnCount) return;
  show(layer, head);
});
darkScreen.addEventListener("change", drawAll);
drawAll();
`;

const STYLE = `
:root {
  color-scheme: light dark;
  --ink: #1b2230; --soft: #5d6778; --line: #d8dee8; --page: #fbfcfe; --panel: #fff; --mark: #c2410c;
  --scale: #fff, #cddef2 6.25%, #74a3d6 25%, #255ea5 56.25%, #092252;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6eaf2; --soft: #98a2b3; --line: #2b3342; --page: #0f131b; --panel: #161a23; --mark: #fb923c;
    --scale: #161a23, #1e3a64 6.25%, #2d74b5 25%, #7ec0ee 56.25%, #f4faff;
  }
}
body { font: 15px/1.5 system-ui, sans-serif; margin: 0; padding: 2rem clamp(1rem, 4vw, 3rem); color: var(--ink);
  background: var(--page); }
h1 { font-size: 1.35rem; font-weight: 600; line-height: 1.3; margin: 0 0 0.3rem; overflow-wrap: anywhere; }
p { margin: 0; color: var(--soft); }
main { display: flex; flex-wrap: wrap; gap: 2rem; margin-top: 1.5rem; align-items: flex-start; }
section { background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: 1rem;
  overflow: auto; max-width: 100%; box-sizing: border-box; }
canvas { image-rendering: pixelated; display: block; }
#grid { display: inline-grid; gap: 3px; align-items: center; }
#grid span { font-size: 12px; color: var(--soft); text-align: center; }
#grid span.layer { text-align: right; padding-right: 6px; white-space: nowrap; }
#grid button { padding: 0; border: 2px solid transparent; border-radius: 5px; background: none; cursor: pointer;
  outline-offset: 1px; }
#grid button canvas { width: var(--thumbnail); height: var(--thumbnail); border-radius: 3px; box-shadow: 0 0 0 1px var(--line); }
#grid button:hover { border-color: var(--soft); }
#grid button.on { border-color: var(--mark); }
#bar { display: flex; flex-wrap: wrap; gap: 0.4rem 1.5rem; align-items: center; color: var(--soft); font-size: 13px;
  margin-bottom: 0.8rem; }
#bar label, #legend { display: flex; align-items: center; gap: 0.5rem; white-space: nowrap; }
#scale { width: 120px; height: 10px; border-radius: 5px; border: 1px solid var(--line);
  background: linear-gradient(to right, var(--scale)); }
#readout { color: var(--ink); font-size: 15px; min-height: 1.5em; margin-bottom: 0.6rem; overflow-wrap: anywhere; }
#view { display: grid; grid-template-columns: max-content max-content; width: max-content; }
#large { width: calc(var(--cell) * var(--tokens)); height: calc(var(--cell) * var(--tokens));
  box-shadow: 0 0 0 1px var(--line); cursor: crosshair; }
bdi { font: 500 min(13px, calc(var(--cell) * 0.8)) / var(--cell) ui-monospace, monospace; white-space: pre;
  overflow: hidden; text-overflow: ellipsis; color: var(--soft); }
bdi.on { color: var(--mark); font-weight: 700; }
#rows { position: sticky; left: -1rem; background: var(--panel); padding-left: 1rem; }
#rows bdi { display: block; height: var(--cell); max-width: 14em; text-align: right; padding-right: 8px; }
#columns { display: flex; align-items: flex-end; grid-column: 2; }
#columns bdi { writing-mode: vertical-rl; transform: rotate(180deg); width: var(--cell); max-height: 14em;
  padding-top: 8px; }
.small bdi { visibility: hidden; }
.small bdi.on { visibility: visible; font-size: 13px; }
`;

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Attention: {title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
<p>Rows are the tokens that look, columns those they look at. Choose a layer and a head, also with the arrow keys.</p>
<noscript><p>The maps are drawn by a script, which this browser does not run.</p></noscript>
<main>
<section><div id="grid"></div></section>
<section>
<div id="readout" aria-live="polite"></div>
<div id="bar">
<span id="legend">0 % <span id="scale"></span> 100 %</span>
<label>size <input id="size" type="range" min="2" max="40" step="1"></label>
</div>
<div id="view"><div id="columns"></div><div id="rows"></div><canvas id="large" role="img" aria-label="attention of the chosen head"></canvas></div>
</section>
</main>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
`;
