/** Finding the CUDA addon, asking a driver that may be broken, and what `"auto"` makes of the answers. No GPU is needed. */
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CUDA_PACKAGE, findCudaAddon } from "../../lib/cuda-addon.js";
import { hasCudaDriver, start, type CudaProbe } from "../../lib/cuda-probe.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const ROOT = path.resolve(import.meta.dirname, "../..");
const PLATFORM = `${process.platform}-${process.arch}`;
const BUILT = path.join(ROOT, "build", "Release", "ggml_transformers_cuda.node");
const VARIABLES = ["GGML_TRANSFORMERS_CUDA_ADDON", "LD_LIBRARY_PATH"] as const;

const folder = temporaryFolder();
const before = new Map(VARIABLES.map((name) => [name, process.env[name]]));
let count = 0;

beforeEach(() => VARIABLES.forEach((name) => delete process.env[name]));
afterEach(() => {
  for (const [name, value] of before) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

function put(file: string, contents = ""): string {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, contents);
  return file;
}

/** A package's root with nothing in it; the folder its compiled files would be in. */
function makePackage(version = "1.2.3"): { root: string; dist: string } {
  const root = path.join(folder, `package-${++count}`);
  put(path.join(root, "package.json"), JSON.stringify({ name: "ggml-transformers", version }));
  fs.mkdirSync(path.join(root, "dist"));
  return { root, dist: path.join(root, "dist") };
}

function makeCudaPackage(root: string, version: string): string {
  const home = path.join(root, "node_modules", CUDA_PACKAGE);
  put(
    path.join(home, "package.json"),
    JSON.stringify({ name: CUDA_PACKAGE, version, main: "ggml_transformers_cuda.node" }),
  );
  return put(path.join(home, "ggml_transformers_cuda.node"));
}

describe("finding the CUDA addon", () => {
  const found = (dist: string) => findCudaAddon(dist).path;
  const real = (file: string) => fs.realpathSync(file);

  it("an own build, a prebuilt one, the optional package, in this order", () => {
    const { root, dist } = makePackage();
    const packaged = makeCudaPackage(root, "1.2.3");
    expect(real(found(dist)!)).toBe(real(packaged));
    const prebuilt = put(path.join(root, "prebuilds", `${PLATFORM}-cuda`, "ggml_transformers_cuda.node"));
    expect(found(dist)).toBe(prebuilt);
    const built = put(path.join(root, "build", "Release", "ggml_transformers_cuda.node"));
    expect(found(dist)).toBe(built);
  });

  it("the file of the environment variable and no other", () => {
    const { root, dist } = makePackage();
    makeCudaPackage(root, "1.2.3");
    process.env["GGML_TRANSFORMERS_CUDA_ADDON"] = put(path.join(folder, "elsewhere.node"));
    expect(found(dist)).toBe(path.join(folder, "elsewhere.node"));
    process.env["GGML_TRANSFORMERS_CUDA_ADDON"] = path.join(folder, "nowhere.node");
    expect(findCudaAddon(dist)).toEqual({
      tried: [{ path: path.join(folder, "nowhere.node"), reason: "no such file" }],
    });
  });

  it("not the package of another version", () => {
    const { root, dist } = makePackage("1.2.3");
    makeCudaPackage(root, "1.2.2");
    const { path: file, tried } = findCudaAddon(dist);
    expect(file).toBeUndefined();
    expect(tried.at(-1)).toEqual({
      path: CUDA_PACKAGE,
      reason: "its version is 1.2.2, that of ggml-transformers 1.2.3",
    });
  });

  it("says what was tried where there is none", () => {
    const { root, dist } = makePackage();
    const { path: file, tried } = findCudaAddon(dist);
    expect(file).toBeUndefined();
    expect(tried).toEqual([
      { path: path.join(root, "build", "Release", "ggml_transformers_cuda.node"), reason: "no such file" },
      {
        path: path.join(root, "prebuilds", `${PLATFORM}-cuda`, "ggml_transformers_cuda.node"),
        reason: "no such file",
      },
      { path: CUDA_PACKAGE, reason: "not installed" },
    ]);
  });
});

// --- Drivers -----------------------------------------------------------------------------------------------------

/** A driver's library in a folder of its own, compiled from C. */
function makeDriver(source: string): string {
  const home = path.join(folder, `driver-${++count}`);
  const file = put(path.join(home, "driver.c"), source);
  execFileSync("cc", ["-shared", "-fPIC", file, "-o", path.join(home, "libcuda.so.1")]);
  return home;
}

/** Stands in for the addon: what it does is in JavaScript, the driver's library it loads is the system's way. */
function makeAddon(source: string): string {
  return put(path.join(folder, `addon-${++count}.cjs`), source);
}

const LOADS_DRIVER = `exports.devices = () => {
  try { process.dlopen({ exports: {} }, "libcuda.so.1"); } catch (error) {
    if (!/self-register/.test(error.message)) throw error;
  }
  return [];
};`;

const SOUND = "int cuInit(unsigned flags) { return 0; }\n";
const ABORTS = "#include <stdlib.h>\n__attribute__((constructor)) static void load(void) { abort(); }\n";

function probe(driver: string | undefined, addon: string, timeLimit?: number): Promise<CudaProbe> {
  if (driver !== undefined) process.env["LD_LIBRARY_PATH"] = driver;
  process.env["GGML_TRANSFORMERS_CUDA_ADDON"] = addon;
  return start(timeLimit);
}

const onLinux = process.platform === "linux";
const hasRealDriver = hasCudaDriver();

describe.skipIf(!onLinux)("asking the driver", () => {
  it.skipIf(hasRealDriver)("where there is none, nothing is started", async () => {
    const trace = path.join(folder, "started");
    const addon = makeAddon(`require("fs").writeFileSync(${JSON.stringify(trace)}, "");`);
    expect(await probe(undefined, addon)).toEqual({ devices: [], reason: "no NVIDIA driver is installed" });
    expect(fs.existsSync(trace)).toBe(false);
  });

  it("without the addon, it says how to get it", async () => {
    const { reason, devices } = await probe(makeDriver(SOUND), path.join(folder, "nowhere.node"));
    expect(devices).toEqual([]);
    expect(reason).toContain(`npm install ${CUDA_PACKAGE}`);
    expect(reason).toContain(`${path.join(folder, "nowhere.node")}: no such file`);
  });

  it("one that offers nothing", async () => {
    const addon = makeAddon(LOADS_DRIVER);
    expect(await probe(makeDriver(SOUND), addon)).toEqual({
      addon,
      devices: [],
      reason: "the NVIDIA driver offers no GPU",
    });
  });

  it("one that ends the process when it is loaded", async () => {
    const { devices, reason } = await probe(makeDriver(ABORTS), makeAddon(LOADS_DRIVER));
    expect(devices).toEqual([]);
    expect(reason).toMatch(/ended a process by SIGABRT/);
  });

  it("one that never answers", async () => {
    const hangs =
      "#include <unistd.h>\n__attribute__((constructor)) static void load(void) { for (;;) pause(); }\n";
    const { devices, reason } = await probe(makeDriver(hangs), makeAddon(LOADS_DRIVER), 300);
    expect({ devices, reason }).toEqual({ devices: [], reason: "the NVIDIA driver did not answer in time" });
  });

  it("an addon that does not load, and one that speaks nonsense", async () => {
    const driver = makeDriver(SOUND);
    const broken = await probe(driver, makeAddon("throw new Error('the image is damaged');"));
    expect(broken.reason).toMatch(/exit code 1: .*the image is damaged/);
    const noisy = await probe(
      driver,
      makeAddon("process.stdout.write('hello'); exports.devices = () => [];"),
    );
    expect(noisy.reason).toMatch(/cannot be read/);
  });
});

/** Built by hand, `npm run build:cuda`, and not by the tests. */
describe.skipIf(!onLinux || !fs.existsSync(BUILT))("the CUDA addon itself", () => {
  it.skipIf(hasRealDriver)(
    "loads where there is neither driver nor cuBLAS, and lists the processor alone",
    () => {
      const code = "const { devices } = require(process.argv[1]); console.log(JSON.stringify(devices()));";
      const output = execFileSync(process.execPath, ["-e", code, BUILT], { encoding: "utf8" });
      expect(JSON.parse(output)).toMatchObject([{ id: "cpu", kind: "cpu" }]);
    },
  );

  it("outlives a driver without functions, and one that aborts in its first", async () => {
    const useless = await probe(makeDriver("int unrelated;\n"), BUILT);
    expect(useless).toMatchObject({ devices: [], reason: "the NVIDIA driver offers no GPU" });
    const aborts =
      "#include <stdlib.h>\n#define F(f) int f() { abort(); }\n" +
      "F(cuInit) F(cuDriverGetVersion) F(cuGetProcAddress) F(cuGetProcAddress_v2)\n";
    expect((await probe(makeDriver(aborts), BUILT)).reason).toMatch(/ended a process by SIGABRT/);
  });
});

// --- Choosing ----------------------------------------------------------------------------------------------------

const GPU = {
  id: "cuda:0",
  kind: "cuda",
  name: "A card",
  memoryTotal: 8e9,
  memoryFree: 8e9,
  features: ["compute 9.0"],
};

/** The library as a process sees it that has these CUDA devices; `load` is what loading a model does. */
async function withDevices(devices: object[], load = "throw new Error('not reached')") {
  process.env["LD_LIBRARY_PATH"] = makeDriver(SOUND);
  process.env["GGML_TRANSFORMERS_CUDA_ADDON"] = makeAddon(
    `exports.devices = () => (${JSON.stringify(devices)}); exports.loadModel = () => { ${load} };`,
  );
  vi.resetModules();
  return {
    ...(await import("../../lib/devices.js")),
    ...(await import("../../lib/encoder.js")),
  };
}

describe.skipIf(!onLinux || hasRealDriver)("choosing a device", () => {
  it("lists what the child found before the processor", async () => {
    const { devices } = await withDevices([GPU, { ...GPU, id: "cuda:1" }]);
    expect(devices().map(({ id }) => id)).toEqual(["cuda:0", "cuda:1", "cpu"]);
  });

  it("automatically: the GPU that holds the model, else the processor", async () => {
    const { chooseDevices } = await withDevices([
      { ...GPU, memoryFree: 1e9 },
      { ...GPU, id: "cuda:1" },
    ]);
    const small = await chooseDevices("auto", 1e8);
    expect(small.candidates.map(({ id }) => id)).toEqual(["cuda:0", "cuda:1", "cpu"]);
    expect(small.candidates[0]!.reason).toBe("the fastest that fits");
    const large = await chooseDevices("auto", 5e9);
    expect(large.candidates.map(({ id }) => id)).toEqual(["cuda:1", "cpu"]);
    expect(large.passedOver).toEqual([
      { id: "cuda:0", reason: expect.stringContaining("free memory of 1000000000 bytes") as string },
    ]);
  });

  it("by name: the first of a kind, or one of them", async () => {
    const { chooseDevices } = await withDevices([GPU, { ...GPU, id: "cuda:1" }]);
    const idOf = async (wanted: string) => (await chooseDevices(wanted)).candidates.map(({ id }) => id);
    expect(await idOf("cuda")).toEqual(["cuda:0"]);
    expect(await idOf("cuda:1")).toEqual(["cuda:1"]);
    expect(await idOf("cpu")).toEqual(["cpu"]);
    for (const missing of ["cuda:2", "metal", "abacus"]) {
      await expect(idOf(missing)).rejects.toMatchObject({
        code: "DEVICE_UNAVAILABLE",
        details: { device: missing, known: ["cuda:0", "cuda:1", "cpu"] },
      });
    }
  });

  it("a GPU that is too old: passed over, and refused by name", async () => {
    const unusable = "its compute capability is 5.0, and this build needs 9.0 or newer";
    const { chooseDevices } = await withDevices([{ ...GPU, unusable }]);
    const { candidates, passedOver } = await chooseDevices("auto");
    expect(candidates.map(({ id }) => id)).toEqual(["cpu"]);
    expect(passedOver).toEqual([{ id: "cuda:0", reason: unusable }]);
    await expect(chooseDevices("cuda")).rejects.toMatchObject({
      code: "DEVICE_UNAVAILABLE",
      details: { device: "cuda", reason: unusable },
    });
  });

  const fails = (code: string) => `throw Object.assign(new Error("no room for it"), { code: "${code}" })`;

  it.each(["OUT_OF_MEMORY", "DEVICE_UNAVAILABLE", "UNSUPPORTED"])(
    "a GPU that fails to load with %s: the processor takes its place, and by name it is the error",
    async (code) => {
      const { Encoder } = await withDevices([GPU], fails(code));
      const encoder = await Encoder.load("mini-bert");
      expect(encoder.info).toMatchObject({
        device: "cpu",
        deviceReason: "the fastest that fits; not cuda:0: no room for it",
      });
      await encoder.dispose();
      await expect(Encoder.load("mini-bert", { device: "cuda" })).rejects.toMatchObject({ code });
    },
  );

  it("a failure that another device would not mend is not hidden", async () => {
    const { Encoder } = await withDevices([GPU], fails("MODEL_FILE_INVALID"));
    await expect(Encoder.load("mini-bert")).rejects.toMatchObject({ code: "MODEL_FILE_INVALID" });
  });
});

it.skipIf(hasRealDriver)("without a driver there is the processor, and why", async () => {
  vi.resetModules();
  const { chooseDevices } = await import("../../lib/devices.js");
  expect(await chooseDevices("auto")).toEqual({
    candidates: [{ id: "cpu", reason: "the fastest that fits" }],
    passedOver: [{ id: "cuda", reason: expect.stringMatching(/NVIDIA driver/) as string }],
  });
  await expect(chooseDevices("cuda")).rejects.toMatchObject({
    code: "DEVICE_UNAVAILABLE",
    message: expect.stringMatching(/"cuda": no NVIDIA driver is installed/) as string,
  });
});
