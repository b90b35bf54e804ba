/** Programs of the tests, built where the addon was, so that the compilers and their flags are the addon's. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";

const BUILD = resolve(__dirname, "../..", ".cmake", `release-${process.arch}`);
const LOCK = join(BUILD, "test-program.lock");

/** Enough for a build from nothing on a slow machine. */
export const BUILD_TIMEOUT = 600_000;

/** Builds the target, one test file at a time: they run in parallel, and ninja keeps one log. */
export function buildProgram(target: string): void {
  lock();
  try {
    execFileSync("cmake", ["--build", BUILD, "--config", "Release", "--target", target], { stdio: "pipe" });
  } finally {
    rmdirSync(LOCK);
  }
}

/** Where the built program is. */
export function programPath(target: string): string {
  const name = process.platform === "win32" ? `${target}.exe` : target;
  const places = [BUILD, join(BUILD, "Release")].map((folder) => join(folder, name));
  return places.find((place) => existsSync(place)) ?? places[0]!;
}

function lock(): void {
  for (;;) {
    try {
      mkdirSync(LOCK);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const since = statSync(LOCK, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (Date.now() - since > BUILD_TIMEOUT) rmdirSync(LOCK); // whoever made it was killed
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  }
}
