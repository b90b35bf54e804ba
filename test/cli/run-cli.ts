/** Runs the built command line as a user would: a process of its own, its output through pipes. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { join, resolve } from "node:path";

export const ROOT = resolve(__dirname, "..", "..");
export const MAIN = join(ROOT, "dist", "cli", "main.js");

export interface CliResult {
  /** Exit code, or the name of the signal that killed the process. */
  exit: number | string;
  stdout: string;
  stderr: string;
}

/** A process in work: to be fed, interrupted, and waited for. */
export interface RunningCli {
  child: ChildProcessWithoutNullStreams;
  result: Promise<CliResult>;
  /** Resolves when standard output holds `text`. Rejects when the process ends before. */
  printed(text: string): Promise<void>;
}

export function startCli(args: readonly string[], options: { cwd?: string } = {}): RunningCli {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: options.cwd ?? ROOT,
    env: { ...process.env, NO_COLOR: "1" },
  });
  // What it does not read is no failure of the test.
  child.stdin.on("error", () => {});
  let stdout = "";
  let stderr = "";
  const waiting: { text: string; resolve: () => void; reject: (error: Error) => void }[] = [];
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
    for (const each of waiting) if (stdout.includes(each.text)) each.resolve();
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
  const result = new Promise<CliResult>((done, fail) => {
    child.on("error", fail);
    child.on("close", (code, signal) => {
      for (const each of waiting) each.reject(new Error(`ended without printing ${each.text}: ${stderr}`));
      done({ exit: code ?? signal!, stdout, stderr });
    });
  });
  const printed = (text: string) =>
    new Promise<void>((done, fail) => {
      if (stdout.includes(text)) done();
      else waiting.push({ text, resolve: done, reject: fail });
    });
  return { child, result, printed };
}

/** Runs to the end, with `input` on standard input. */
export async function cli(args: readonly string[], input = ""): Promise<CliResult> {
  const { child, result } = startCli(args);
  child.stdin.end(input);
  return result;
}

/** The lines of JSON on standard output, after a run that went well. */
export async function cliJson<T>(args: readonly string[], input = ""): Promise<T[]> {
  const { exit, stdout, stderr } = await cli([...args, "--json"], input);
  if (exit !== 0) throw new Error(`exit ${exit}: ${stderr}`);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);
}

/** The error that a run with --json reports: one line on standard error. */
export function jsonError({ stderr }: CliResult): {
  code: string;
  message: string;
  details: Record<string, unknown>;
} {
  return (JSON.parse(stderr) as { error: ReturnType<typeof jsonError> }).error;
}
