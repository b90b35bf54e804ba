/** What a text may be, as options of a command. */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import type { ConstraintOptions } from "../constraint/constraint.js";
import { UsageError } from "./failure.js";

/** Values of {@link addConstraintOptions}. */
export interface ConstraintValues {
  regex?: string;
  jsonSchema?: string;
}

export function addConstraintOptions(command: Command): Command {
  return command
    .option("--regex <pattern>", "the text matches this regular expression as a whole")
    .option("--json-schema <schema>", "the text is JSON of this schema: JSON, or the path of a file with it");
}

export function constraintOptions({ regex, jsonSchema }: ConstraintValues): ConstraintOptions {
  if (regex !== undefined && jsonSchema !== undefined) {
    throw new UsageError("Either --regex or --json-schema, not both");
  }
  if (regex !== undefined) return { regex };
  return jsonSchema === undefined ? {} : { jsonSchema: readSchema(jsonSchema) };
}

function readSchema(given: string): NonNullable<ConstraintOptions["jsonSchema"]> {
  const isJson = /^\s*(?:\{|true\b|false\b)/.test(given);
  try {
    return JSON.parse(isJson ? given : readFileSync(given, "utf8")) as NonNullable<
      ConstraintOptions["jsonSchema"]
    >;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`--json-schema is neither JSON nor a file with it: ${reason}`);
  }
}
