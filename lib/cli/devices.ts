import type { Command } from "commander";
import { chooseDevices, devices } from "../devices.js";
import { addExamples, addJsonOption, type JsonOption } from "./command-options.js";
import type { Cli } from "./program.js";
import { formatTable } from "./table.js";
import { formatBytes, printable } from "./text.js";

export function define(command: Command, { out }: Cli): void {
  addJsonOption(command);
  addExamples(command, [
    ["devices", "a table; --device takes what is in its first column"],
    ["devices --json", "one JSON object per device"],
    ["devices --why", "what --device auto takes, and why not the others"],
  ]);
  command.option("--why", "say what a small model is loaded on by default, and why");
  command.action(async ({ json, why }: JsonOption & { why?: boolean }) => {
    if (why) {
      const { candidates, passedOver } = await chooseDevices("auto");
      const [taken] = candidates;
      if (json) return out.json({ auto: taken!.id, reason: taken!.reason, passedOver });
      const lines = [
        `${taken!.id}: ${taken!.reason}`,
        ...passedOver.map(({ id, reason }) => `not ${id}: ${reason}`),
      ];
      return out.write(lines.map((line) => `${printable(line)}\n`).join(""));
    }
    const found = devices();
    if (json) {
      for (const device of found) await out.json(device);
      return;
    }
    const rows = found.map(({ id, name, memoryTotal, memoryFree, features, unusable }) => [
      id,
      printable(name),
      formatBytes(memoryTotal),
      formatBytes(memoryFree),
      unusable === undefined ? features.join(" ") : printable(`unusable: ${unusable}`),
    ]);
    const header = ["device", "name", "memory", "free", "features"];
    await out.write(formatTable([header, ...rows], { right: [2, 3], header: out.dim }));
  });
}
