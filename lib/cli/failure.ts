/** How a failed command is reported: one line on standard error, and an exit code. */
import { CommanderError } from "commander";
import { GgmlTransformersError } from "../errors.js";
import { EXIT } from "./exit-codes.js";
import { Stop } from "./stopping.js";
import { printable } from "./text.js";

/** The command line does not say what to do. Code `USAGE`. */
export class UsageError extends GgmlTransformersError {
  constructor(message: string, details: Readonly<Record<string, unknown>> = {}) {
    super("USAGE", message, details);
  }
}

/** A text file named on the command line cannot be read. Code `INPUT_UNREADABLE`. */
export class InputFileError extends GgmlTransformersError {
  constructor(path: string, cause: unknown) {
    super("INPUT_UNREADABLE", `Cannot read ${path}: ${(cause as Error).message}`, { path }, { cause });
  }
}

interface Failure {
  code: string;
  message: string;
  details: Readonly<Record<string, unknown>>;
  exitCode: number;
}

/** Tells what went wrong and returns the exit code. `stop` is the signal given to the work. */
export function reportFailure(error: unknown, stop: AbortSignal, json: boolean): number {
  if (isHelpOrVersion(error)) return EXIT.ok;
  const reason: unknown = stop.reason;
  if (reason instanceof Stop && reason.isSilent) return reason.exitCode;
  const failure = reason instanceof Stop ? stopped(reason) : describe(error);
  process.stderr.write(json ? jsonLine(failure) : humanLine(failure));
  if (process.env["GGML_TRANSFORMERS_DEBUG"] && error instanceof Error) {
    process.stderr.write(`${error.stack}\n`);
  }
  return failure.exitCode;
}

function describe(error: unknown): Failure {
  if (error instanceof CommanderError) {
    // Commander's messages begin with "error: " and may continue with a suggestion on a line of its own.
    const message = error.message.replace(/^error: /, "");
    return { code: "USAGE", message, details: {}, exitCode: EXIT.usage };
  }
  if (error instanceof GgmlTransformersError) {
    const { code, message, details } = error;
    const isUsage = code === "USAGE" || code === "INVALID_ARGUMENT";
    return { code, message, details, exitCode: isUsage ? EXIT.usage : EXIT.failure };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: "INTERNAL", message, details: {}, exitCode: EXIT.failure };
}

function stopped({ message, exitCode }: Stop): Failure {
  const code = exitCode === EXIT.failure ? "OUTPUT_FAILED" : "ABORTED";
  return { code, message, details: {}, exitCode };
}

function isHelpOrVersion(error: unknown): boolean {
  return error instanceof CommanderError && error.exitCode === 0;
}

function humanLine({ code, message }: Failure): string {
  return `ggml-transformers: ${printable(message.replace(/\s*\n\s*/g, " "))} [${code}]\n`;
}

function jsonLine({ code, message, details }: Failure): string {
  const error = { code, message, details };
  return `${JSON.stringify({ error }, (_, value: unknown) => (typeof value === "bigint" ? `${value}` : value))}\n`;
}
