import type { Command } from "commander";
import { devices } from "../devices.js";
import { addExamples, addJsonOption, type JsonOption } from "./command-options.js";
import type { Cli } from "./program.js";
import { formatTable } from "./table.js";
import { formatBytes, printable } from "./text.js";

export function define(command: Command, { out }: Cli): void {
  addJsonOption(command);
  addExamples(command, [
    ["devices", "a table; --device takes what is in its first column"],
    ["devices --json", "one JSON object per device"],
  ]);
  command.action(async ({ json }: JsonOption) => {
    const found = devices();
    if (json) {
      for (const device of found) await out.json(device);
      return;
    }
    const rows = found.map(({ id, name, memoryTotal, memoryFree, features }) => [
      id,
      printable(name),
      formatBytes(memoryTotal),
      formatBytes(memoryFree),
      features.join(" "),
    ]);
    const header = ["device", "name", "memory", "free", "features"];
    await out.write(formatTable([header, ...rows], { right: [2, 3], header: out.dim }));
  });
}
