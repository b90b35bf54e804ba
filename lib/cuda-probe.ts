/**
 * Asks what CUDA offers without risking this process: a driver that crashes or hangs takes a child down. Where no
 * driver is installed nothing is started at all.
 */
import { spawn, spawnSync, type SpawnOptions } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { findCudaAddon, CUDA_PACKAGE } from "./cuda-addon.js";
import type { DeviceInfo } from "./native.js";

/** What was found, and where nothing was, why. */
export interface CudaProbe {
  /** The addon that listed the devices. */
  addon?: string;
  /** Usable or not. */
  devices: DeviceInfo[];
  /** Why there are none; empty where there are. */
  reason: string;
}

/** The first call of a driver wakes the GPU, which takes seconds on a machine with many. */
const TIME_LIMIT = 30_000;

/** Runs in the child, which may be Node, Electron, Bun or Deno: whatever runs this process. */
const CHILD = `import("node:module").then(({ createRequire }) => {
  const file = process.env.GGML_TRANSFORMERS_PROBE;
  const devices = createRequire(file)(file).devices().filter(({ kind }) => kind === "cuda");
  process.stdout.write(JSON.stringify({ devices }));
});`;

/** What a child left behind. */
interface Outcome {
  stdout: string;
  stderr: string;
  status: number | null;
  signal: string | null;
  error?: Error & { code?: string };
}

interface Child {
  file: string;
  args: string[];
  options: SpawnOptions;
}

let known: CudaProbe | undefined;
let underWay: Promise<CudaProbe> | undefined;

/** The result of the one probe of this process, waiting for it where it was not made yet. */
export function probeCudaSync(): CudaProbe {
  known ??= startSync();
  return known;
}

/** The same without blocking. */
export async function probeCuda(): Promise<CudaProbe> {
  underWay ??= start();
  known ??= await underWay;
  return known;
}

/** Probes, whatever is known already; gives up after `timeLimit` milliseconds. */
export async function start(timeLimit: number = TIME_LIMIT): Promise<CudaProbe> {
  const needed = prepare();
  return "reason" in needed ? needed : judge(needed.addon, await run(childFor(needed.addon), timeLimit));
}

function startSync(): CudaProbe {
  const needed = prepare();
  if ("reason" in needed) return needed;
  const { file, args, options } = childFor(needed.addon);
  const limits = { encoding: "utf8", timeout: TIME_LIMIT, killSignal: "SIGKILL" } as const;
  return judge(needed.addon, spawnSync(file, args, { ...options, ...limits }));
}

/** What needs no child to be known, or the addon to start one with. */
function prepare(): CudaProbe | { addon: string } {
  const nothing = (reason: string): CudaProbe => ({ devices: [], reason });
  if (!hasCudaDriver()) return nothing("no NVIDIA driver is installed");
  const { path: addon, tried } = findCudaAddon();
  if (addon !== undefined) return { addon };
  const reasons = tried.map(({ path: file, reason }) => `${file}: ${reason}`).join("; ");
  return nothing(
    `there is an NVIDIA driver, but not the CUDA addon (npm install ${CUDA_PACKAGE}, or npm run build:cuda; ${reasons})`,
  );
}

function childFor(addon: string): Child {
  const isDeno = "Deno" in globalThis;
  return {
    file: process.execPath,
    args: isDeno ? ["eval", CHILD] : ["-e", CHILD],
    options: {
      // Options meant for this process, a debugger's for example, are none of the child's.
      env: { ...process.env, NODE_OPTIONS: "", ELECTRON_RUN_AS_NODE: "1", GGML_TRANSFORMERS_PROBE: addon },
      stdio: ["ignore", "pipe", "pipe"],
      windowsHide: true,
    },
  };
}

/** Runs it to its end, or to the end of its time. */
function run({ file, args, options }: Child, timeLimit: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const outcome: Outcome = { stdout: "", stderr: "", status: null, signal: null };
    const child = spawn(file, args, options);
    const timer = setTimeout(() => {
      outcome.error = Object.assign(new Error("timed out"), { code: "ETIMEDOUT" });
      child.kill("SIGKILL");
    }, timeLimit);
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (outcome.stdout += text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (outcome.stderr += text));
    const settle = (changes: Partial<Outcome>) => {
      clearTimeout(timer);
      resolve({ ...outcome, ...changes });
    };
    child.on("error", (error) => settle({ error }));
    child.on("close", (status, signal) => settle({ status, signal }));
  });
}

/** What a child's end says of the driver. */
function judge(addon: string, { stdout, stderr, status, signal, error }: Outcome): CudaProbe {
  const nothing = (reason: string): CudaProbe => ({ devices: [], reason });
  if (error?.code === "ETIMEDOUT") return nothing("the NVIDIA driver did not answer in time");
  if (error) return nothing(`the NVIDIA driver could not be asked: ${error.message}`);
  if (status !== 0) {
    const said = stderr.split("\n").find((line) => /error/i.test(line)) ?? stderr.split("\n")[0];
    const how = signal === null ? `with exit code ${status}` : `by ${signal}`;
    return nothing(`asking the NVIDIA driver ended a process ${how}${said ? `: ${said.trim()}` : ""}`);
  }
  try {
    const { devices } = JSON.parse(stdout) as { devices: DeviceInfo[] };
    return { addon, devices, reason: devices.length > 0 ? "" : "the NVIDIA driver offers no GPU" };
  } catch {
    return nothing("the answer of the NVIDIA driver cannot be read");
  }
}

/** Whether the driver's library is installed: a look at the file system, which loads nothing. */
export function hasCudaDriver(): boolean {
  if (process.platform === "win32") {
    return fs.existsSync(path.join(process.env["SystemRoot"] ?? "C:\\Windows", "System32", "nvcuda.dll"));
  }
  if (process.platform !== "linux") return false;
  const library = "libcuda.so.1";
  const folders = (process.env["LD_LIBRARY_PATH"] ?? "").split(":").filter(Boolean);
  if (folders.some((folder) => fs.existsSync(path.join(folder, library)))) return true;
  try {
    // What the system's linker finds, in whatever folders it is told to look.
    return fs.readFileSync("/etc/ld.so.cache").includes(library);
  } catch {
    // Musl's has no cache and looks into these.
    return ["/lib", "/usr/local/lib", "/usr/lib"].some((folder) => fs.existsSync(path.join(folder, library)));
  }
}
