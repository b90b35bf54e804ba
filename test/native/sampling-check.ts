/** The program that chooses tokens from given logits, without a model. */
import { spawnSync } from "node:child_process";
import { buildProgram, programPath } from "./build-program.js";

/** For `beforeAll`, which has to allow `BUILD_TIMEOUT`. */
export function buildSamplingCheck(): void {
  buildProgram("sampling_check");
}

export interface Step {
  /** The token chosen. */
  id: number;
  /** Its log-probability under the logits. */
  logprob: number;
  /** Id and logit of each candidate that was left. */
  candidates: [id: number, logit: number][];
}

/** Lines of the program's input: an option and its values. */
export type Lines = Readonly<Record<string, string | number | readonly (string | number)[]>>;

function run(lines: readonly string[]): unknown {
  const { status, stdout, stderr } = spawnSync(programPath("sampling_check"), {
    input: `${lines.join("\n")}\n`,
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

function format(logits: ArrayLike<number>, lines: Lines): string[] {
  const options = Object.entries(lines).map(([name, values]) => {
    return `${name} ${typeof values === "object" ? values.join(" ") : values}`;
  });
  return [`logits ${Array.from(logits).join(" ")}`, ...options];
}

/** Chooses `count` tokens one after the other. */
export function choose(logits: ArrayLike<number>, lines: Lines, count = 1): Step[] {
  return run([...format(logits, lines), `steps ${count}`]) as Step[];
}

/** How often each token is drawn. */
export function drawCounts(logits: ArrayLike<number>, lines: Lines, draws: number): number[] {
  return run([...format(logits, lines), `draws ${draws}`]) as number[];
}
