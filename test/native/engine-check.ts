/** The program that runs parts of the engine without Node; on Linux alone. */
import { execFileSync } from "node:child_process";
import { buildProgram, programPath } from "./build-program.js";

export const HAS_ENGINE_CHECK = process.platform === "linux";

/** For `beforeAll`, which has to allow `BUILD_TIMEOUT`. */
export function buildEngineCheck(): void {
  buildProgram("engine_check");
}

/** Runs it and returns what it prints. */
export function engineCheck(...args: string[]): unknown {
  return JSON.parse(execFileSync(programPath("engine_check"), args, { encoding: "utf8" }));
}
