/** What `npm run demo` runs after the set-up. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { requireBuilt } from "../cli/built.js";
import { ROOT } from "../cli/run-cli.js";

let lines: string[];

beforeAll(async () => {
  await requireBuilt();
  const demo = spawn(process.execPath, [join(ROOT, "examples", "demo.mjs")], {
    env: { ...process.env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let errors = "";
  demo.stdout.setEncoding("utf8").on("data", (chunk: string) => (output += chunk));
  demo.stderr.setEncoding("utf8").on("data", (chunk: string) => (errors += chunk));
  const [code] = (await once(demo, "close")) as [number | null];
  expect([code, errors]).toEqual([0, ""]);
  lines = output.split("\n");
}, 300_000);

/** The lines after the one that contains `text`. */
function after(text: string): string[] {
  const at = lines.findIndex((line) => line.includes(text));
  expect(at, `no line with ${text}`).toBeGreaterThanOrEqual(0);
  return lines.slice(at + 1);
}

describe("the demo", () => {
  it.each([
    ["what happens if a file is corrupt", "docs/errors.md, Damaged files"],
    ["interrupt a long task", "docs/errors.md, Stopping work"],
    ["how many threads should I use", "docs/performance.md, Threads"],
  ])("finds the passage for %j", (query, passage) => {
    const ranked = after(`"${query}"`).slice(0, 6);
    expect(ranked[0]).toMatch(/^ {2}0\.\d\d {2}/);
    expect(ranked[0]).toContain(passage);
    const scores = [0, 2, 4].map((i) => Number(/^ {2}(0\.\d\d) {2}/.exec(ranked[i]!)![1]));
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
  });

  it("fills the mask and judges the pairs", () => {
    expect(after("In the fiscal [MASK]")[0]).toMatch(/^ +\d+\.\d % {2}year$/);
    expect(after("The surplus has been used")[0]).toMatch(/^ {4}follows, probability 0\.\d+$/);
    expect(after("The harpooneer stood up")[0]).toMatch(/^ {4}does not follow, probability 0\.\d+$/);
  });

  it("writes a paragraph", () => {
    const paragraph = after("4  Go on from a few words").join(" ");
    expect(paragraph).toMatch(/^ {2}It is our duty to \w+ \w+/);
    expect(paragraph).toMatch(/ -> \d+ tokens at \d+ tokens\/s/);
  });

  it("says how fast each part was, in 100 columns", () => {
    expect(lines.filter((line) => line.startsWith("  -> ")).length).toBe(5);
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(100);
  });
});
