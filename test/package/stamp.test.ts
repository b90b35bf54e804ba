import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";

// What decides whether `npm run setup` builds again: a result that is taken for current when it is not would
// be tested in place of the sources.

const SCRIPT = path.resolve(import.meta.dirname, "../../scripts/stamp.mjs");
const { hashInputs, readStamp } = (await import(pathToFileURL(SCRIPT).href)) as {
  hashInputs(root: string, inputs: string[]): string;
  readStamp(file: string): string | undefined;
};

let folder: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "stamp-"));
  fs.mkdirSync(path.join(folder, "native", "deep"), { recursive: true });
  fs.writeFileSync(path.join(folder, "native", "a.cpp"), "a");
  fs.writeFileSync(path.join(folder, "native", "deep", "b.cpp"), "b");
  fs.writeFileSync(path.join(folder, "list.txt"), "list");
});

afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const hash = () => hashInputs(folder, ["list.txt", "native"]);

test("the same contents give the same hash, whatever their times", () => {
  const before = hash();
  fs.utimesSync(path.join(folder, "native", "a.cpp"), new Date(0), new Date(0));
  expect(hash()).toBe(before);
});

test.each<[string, () => void]>([
  ["a changed file", () => fs.writeFileSync(path.join(folder, "native", "deep", "b.cpp"), "c")],
  ["a new file", () => fs.writeFileSync(path.join(folder, "native", "c.cpp"), "")],
  ["a removed file", () => fs.rmSync(path.join(folder, "native", "a.cpp"))],
  ["a removed input", () => fs.rmSync(path.join(folder, "list.txt"))],
  ["an emptied file", () => fs.writeFileSync(path.join(folder, "list.txt"), "")],
  [
    "a renamed file",
    () => fs.renameSync(path.join(folder, "native", "a.cpp"), path.join(folder, "native", "z.cpp")),
  ],
  [
    "contents that move from one file to the next",
    () => {
      fs.writeFileSync(path.join(folder, "native", "a.cpp"), "");
      fs.writeFileSync(path.join(folder, "native", "deep", "b.cpp"), "ab");
    },
  ],
])("%s changes it", (_, change) => {
  const before = hash();
  change();
  expect(hash()).not.toBe(before);
});

test("a removed input differs from an empty one", () => {
  fs.writeFileSync(path.join(folder, "list.txt"), "");
  const empty = hash();
  fs.rmSync(path.join(folder, "list.txt"));
  expect(hash()).not.toBe(empty);
});

test("a missing stamp is none", () => {
  expect(readStamp(path.join(folder, "missing"))).toBeUndefined();
});
