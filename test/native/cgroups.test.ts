import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../support/temporary-folder.js";
import { BUILD_TIMEOUT } from "./build-program.js";
import { buildEngineCheck, engineCheck, HAS_ENGINE_CHECK } from "./engine-check.js";

const folder = temporaryFolder();

/** What is granted in a system with these files. */
function limits(files: Record<string, string>): unknown {
  const root = mkdtempSync(join(folder, "root-"));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), `${text}\n`);
  }
  return engineCheck("--cgroups", root);
}

const V2 = "sys/fs/cgroup";
const UNLIMITED = { cpus: 0, limited: false, left: 0 };

describe.runIf(HAS_ENGINE_CHECK)("control groups", () => {
  beforeAll(buildEngineCheck, BUILD_TIMEOUT);

  it("limit nothing where there are none, or none that says so, or only nonsense", () => {
    expect(limits({})).toEqual(UNLIMITED);
    const own = { "proc/self/cgroup": "0::/user.slice/app" };
    expect(limits(own)).toEqual(UNLIMITED);
    expect(limits({ ...own, [`${V2}/user.slice/cpu.max`]: "max 100000" })).toEqual(UNLIMITED);
    expect(limits({ ...own, [`${V2}/cpu.max`]: "-1 100000", [`${V2}/memory.max`]: "max" })).toEqual(
      UNLIMITED,
    );
    expect(limits({ "proc/self/cgroup": "nonsense\n1\n:::\n0:cpu:", [`${V2}/cpu.max`]: "a b" })).toEqual(
      UNLIMITED,
    );
  });

  it("grant the least of the process's own and of those around it", () => {
    const files = {
      "proc/self/cgroup": "0::/outer/inner/own",
      [`${V2}/outer/cpu.max`]: "150000 100000",
      [`${V2}/outer/inner/cpu.max`]: "400000 100000",
      [`${V2}/outer/inner/own/cpu.max`]: "max 100000",
      [`${V2}/outer/memory.max`]: "1000000",
      [`${V2}/outer/memory.current`]: "900000",
      [`${V2}/outer/inner/own/memory.max`]: "500000",
      [`${V2}/outer/inner/own/memory.current`]: "100000",
      // Not on the way up.
      [`${V2}/other/cpu.max`]: "1000 100000",
    };
    expect(limits(files)).toEqual({ cpus: 1.5, limited: true, left: 100_000 });
    expect(limits({ ...files, [`${V2}/outer/inner/own/cpu.max`]: "50000 100000" })).toMatchObject({
      cpus: 0.5,
    });
    expect(limits({ ...files, [`${V2}/outer/inner/own/memory.current`]: "600000" })).toMatchObject({
      left: 0,
    });
  });

  it("are found in a container that sees its own group as the root", () => {
    const files = {
      "proc/self/cgroup": "0::/docker/4f5e",
      [`${V2}/cpu.max`]: "200000 100000",
      [`${V2}/memory.max`]: "4096",
      [`${V2}/memory.current`]: "1024",
    };
    expect(limits(files)).toEqual({ cpus: 2, limited: true, left: 3072 });
  });

  it("of version 1 are read from their controllers' folders", () => {
    const files = {
      "proc/self/cgroup": "11:memory:/a/b\n4:cpu,cpuacct:/a/b\n1:name=systemd:/a/b\n0::/a/b",
      [`${V2}/cpu,cpuacct/a/cpu.cfs_quota_us`]: "300000",
      [`${V2}/cpu,cpuacct/a/cpu.cfs_period_us`]: "100000",
      [`${V2}/cpu,cpuacct/a/b/cpu.cfs_quota_us`]: "-1",
      [`${V2}/cpu,cpuacct/a/b/cpu.cfs_period_us`]: "100000",
      [`${V2}/memory/memory.limit_in_bytes`]: "9223372036854771712",
      [`${V2}/memory/memory.usage_in_bytes`]: "5000",
      [`${V2}/memory/a/b/memory.limit_in_bytes`]: "8000",
      [`${V2}/memory/a/b/memory.usage_in_bytes`]: "5000",
    };
    expect(limits(files)).toEqual({ cpus: 3, limited: true, left: 3000 });
  });
});
