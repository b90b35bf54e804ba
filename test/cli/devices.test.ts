import os from "node:os";
import { beforeAll, expect, it } from "vitest";
import { requireBuilt } from "./built.js";
import { cli, cliJson } from "./run-cli.js";

beforeAll(requireBuilt);

interface Device {
  id: string;
  kind: string;
  memoryTotal: number;
  memoryFree: number;
}

it("prints one JSON object per device, the processor last", async () => {
  const devices = await cliJson<Device>(["devices"]);
  const cpu = devices.at(-1)!;
  expect(cpu).toMatchObject({ id: "cpu", kind: "cpu" });
  expect(cpu.memoryTotal).toBeGreaterThan(0);
  expect(cpu.memoryTotal).toBeLessThanOrEqual(os.totalmem());
  expect(cpu.memoryFree).toBeLessThanOrEqual(cpu.memoryTotal);
});

it("prints a table", async () => {
  const { exit, stdout, stderr } = await cli(["devices"]);
  expect([exit, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^device +name +memory +free +features\n(.+\n)*cpu +\S/);
});

it("tells what is taken by default, and why the others are not", async () => {
  const { exit, stdout, stderr } = await cli(["devices", "--why"]);
  expect([exit, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^\S+: the fastest that fits\n(not \S+: .+\n)*$/);
  const [{ auto, reason, passedOver }] = (await cliJson<Why>(["devices", "--why"])) as [Why];
  expect(stdout).toBe(
    [`${auto}: ${reason}\n`, ...passedOver.map(({ id, reason: why }) => `not ${id}: ${why}\n`)].join(""),
  );
});

interface Why {
  auto: string;
  reason: string;
  passedOver: { id: string; reason: string }[];
}
