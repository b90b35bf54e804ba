import { Option, type Command } from "commander";
import { integer } from "./command-options.js";

/** Values of {@link addWindowOptions}. */
export interface WindowFlags {
  maxLength?: number;
  overflow?: "windows" | "truncate" | "refuse";
  stride?: number;
}

/** For tasks that take texts of any length. */
export function addWindowOptions(command: Command): Command {
  return command
    .option("--max-length <tokens>", "tokens of a window, special tokens included", integer(1))
    .addOption(
      new Option("--overflow <what>", "what happens to longer texts (default: windows)").choices([
        "windows",
        "truncate",
        "refuse",
      ]),
    )
    .option("--stride <tokens>", "tokens that neighbouring windows share", integer(0));
}
