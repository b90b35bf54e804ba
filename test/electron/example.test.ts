/** examples/electron: its main process, preload script and utility process, run by Node; see electron-module.cjs. */
import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { requireBuilt } from "../cli/built.js";
import { codeBlocks } from "../docs/markdown.js";

const ROOT = path.resolve(import.meta.dirname, "../..");
const EXAMPLE = path.join(ROOT, "examples", "electron");

interface Found {
  text: string;
  score: number;
}

interface Result {
  found: Found[];
  again: Found[];
  pieces: string[];
  whole: string;
  begun: string[];
  part: string;
  failure: { message: string; code?: string };
  lostMessage: string;
  processes: number;
  webPreferences: Record<string, unknown>;
  file: string;
}

let folder: string;
let result: Result;

beforeAll(async () => {
  await requireBuilt();
  folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "electron-example-")));
  fs.cpSync(EXAMPLE, folder, { recursive: true });
  const electron = path.join(folder, "node_modules", "electron");
  fs.mkdirSync(electron, { recursive: true });
  fs.copyFileSync(path.join(import.meta.dirname, "electron-module.cjs"), path.join(electron, "index.js"));
  fs.copyFileSync(path.join(import.meta.dirname, "parent-port.cjs"), path.join(electron, "parent-port.cjs"));
  fs.symlinkSync(ROOT, path.join(folder, "node_modules", "ggml-transformers"), "junction");
  const page = path.join(import.meta.dirname, "page.mjs");
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [page], { cwd: folder });
  expect(stderr).toBe("");
  result = JSON.parse(stdout) as Result;
}, 300_000);

afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

test("the page searches", () => {
  expect(result.found.map(({ text }) => text)[0]).toBe("A small boat moved by oars.");
  const scores = result.found.map(({ score }) => score);
  expect(scores).toHaveLength(3);
  expect(scores).toEqual(scores.toSorted((a, b) => b - a));
});

test("the page is given a text piece by piece", () => {
  expect(result.pieces.length).toBeGreaterThan(1);
  expect(result.pieces.join("")).toBe(result.whole);
});

test("a text that is stopped is what the page was given of it", () => {
  expect(result.begun.length).toBeGreaterThan(0);
  expect(result.part).toBe(result.begun.join(""));
});

test("a wrong request is answered with the package's error", () => {
  expect(result.failure.message).toMatch(/5/);
});

test("a lost utility process ends its requests alone, and the next one starts another", () => {
  expect(result.lostMessage).toContain("ended");
  expect(result.again).toEqual(result.found);
  expect(result.processes).toBe(2);
});

test("the page is isolated, and its files exist", () => {
  expect(result.webPreferences).toMatchObject({ contextIsolation: true, sandbox: true });
  expect(result.webPreferences["nodeIntegration"] ?? false).toBe(false);
  const html = fs.readFileSync(result.file, "utf8");
  for (const [, script] of html.matchAll(/<script[^>]* src="([^"]+)"/g)) {
    expect(fs.existsSync(path.join(EXAMPLE, script!)), script).toBe(true);
  }
  expect(fs.existsSync(result.webPreferences["preload"] as string)).toBe(true);
});

test("its packager unpacks what docs/electron.md says", () => {
  const manifest = JSON.parse(fs.readFileSync(path.join(EXAMPLE, "package.json"), "utf8")) as {
    build: { asarUnpack: string[] };
  };
  const shown = codeBlocks("docs/electron.md").find(({ language }) => language === "json");
  expect(JSON.parse(shown!.code)).toEqual({ asarUnpack: manifest.build.asarUnpack });
});
