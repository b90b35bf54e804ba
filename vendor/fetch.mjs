// Brings vendor/ggml/, the unpatched source of GGML, as pinned in ggml.lock.json.
//
// The source lies in the npm registry: a git bundle of llama.cpp inside one package's tarball. Only that
// tarball is fetched, through the npm client, so that a proxy, a mirror or a private registry just works.
// Once vendor/ggml/ is complete this needs neither the network nor npm nor git, and costs a few milliseconds.
//
//   node vendor/fetch.mjs            bring it when it is missing or not what the lock file pins
//   node vendor/fetch.mjs --force    bring it again
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

const VENDOR = path.dirname(fileURLToPath(import.meta.url));
const TARGET = path.join(VENDOR, "ggml");
const STAMP = ".vendored.json";
const TEMPORARY_PREFIX = ".ggml-";
/** Tarball, bundle, clone and checked-out tree, side by side for a moment. */
const BYTES_NEEDED = 250e6;

/** A failure whose message is meant for the person who runs this. */
export class VendorError extends Error {}

// --- What there is -------------------------------------------------------------------------------------

function readLock() {
  const file = path.join(VENDOR, "ggml.lock.json");
  try {
    return JSON.parse(fs.readFileSync(file, "utf8"));
  } catch (error) {
    throw new VendorError(`Cannot read ${file}: ${error.message}`);
  }
}

/** The stamp is written last, so a folder that has the right one is complete. */
function stampOf(lock) {
  return `${JSON.stringify(lock, null, 2)}\n`;
}

function isPresent(lock) {
  try {
    return fs.readFileSync(path.join(TARGET, STAMP), "utf8") === stampOf(lock);
  } catch {
    return false;
  }
}

/** Runs that were killed leave their folder behind; it goes when its process is gone. */
function removeLeftovers() {
  for (const name of fs.readdirSync(VENDOR)) {
    const owner = name.startsWith(TEMPORARY_PREFIX)
      ? Number.parseInt(name.slice(TEMPORARY_PREFIX.length), 10)
      : NaN;
    if (Number.isNaN(owner) || isRunning(owner)) continue;
    fs.rmSync(path.join(VENDOR, name), { recursive: true, force: true });
  }
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

// --- Tools ---------------------------------------------------------------------------------------------

/** The npm client: the one that runs this script, else the first on the path. */
function npmCommand() {
  const running = process.env.npm_execpath;
  if (running && /npm-cli\.c?js$/.test(running) && fs.existsSync(running)) return [process.execPath, running];
  return ["npm"];
}

function run(command, args, options = {}) {
  const [program, ...first] = command;
  const result = spawnSync(program, [...first, ...args], {
    encoding: "utf8",
    maxBuffer: 64 << 20,
    // npm is a command script on Windows, which only a shell starts; every argument here is ours.
    shell: process.platform === "win32" && program === "npm",
    ...options,
  });
  if (result.error && result.error.code !== "ENOENT") throw result.error;
  const missing = result.error !== undefined || result.status === 127 || result.status === 9009;
  const output = `${result.stderr ?? ""}${result.stdout ?? ""}`.trim();
  return { missing, ok: result.status === 0, stdout: result.stdout ?? "", output };
}

/** git, undisturbed by the configuration and the repository of whoever runs this. */
function git(args, what) {
  const env = {
    ...process.env,
    GIT_CONFIG_GLOBAL: os.devNull,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
  };
  for (const name of ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"]) delete env[name];
  const result = run(["git"], ["-c", "core.autocrlf=false", "-c", "advice.detachedHead=false", ...args], {
    env,
  });
  if (result.missing) {
    throw new VendorError(
      "git is needed to unpack GGML's source, but it was not found. Install git and try again.",
    );
  }
  if (!result.ok) throw new VendorError(`git could not ${what}:\n${indent(result.output)}`);
  return result.stdout.trim();
}

function indent(text) {
  return text.replace(/^/gm, "  ");
}

// --- Steps ---------------------------------------------------------------------------------------------

function checkSpace() {
  const { bavail, bsize } = fs.statfsSync(VENDOR);
  const free = bavail * bsize;
  if (free >= BYTES_NEEDED) return;
  throw new VendorError(
    `Not enough disk space in ${VENDOR}: ${megabytes(BYTES_NEEDED)} MB are needed for a moment, ` +
      `${megabytes(free)} MB are free.`,
  );
}

function megabytes(bytes) {
  return Math.floor(bytes / 1e6);
}

/** Fetches the pinned tarball into `folder` and returns its bytes, verified. */
function fetchTarball(source, folder) {
  const spec = `${source.package}@${source.version}`;
  const result = run(
    npmCommand(),
    ["pack", spec, "--pack-destination", folder, "--ignore-scripts", "--prefer-offline"],
    {
      cwd: folder,
    },
  );
  if (result.missing) {
    throw new VendorError(`npm is needed to fetch ${spec}, but it was not found. Install npm and try again.`);
  }
  if (!result.ok) {
    const reason = /ENOSPC/.test(result.output) ? "the disk is full" : "is the registry reachable?";
    throw new VendorError(`npm could not fetch ${spec} (${reason}):\n${indent(result.output)}`);
  }
  const name = fs.readdirSync(folder).find((entry) => entry.endsWith(".tgz"));
  if (name === undefined) throw new VendorError(`npm reported success but left no tarball of ${spec}.`);
  const tarball = fs.readFileSync(path.join(folder, name));
  verify(tarball, source, spec);
  return tarball;
}

function verify(tarball, source, spec) {
  const received = `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
  if (received === source.integrity) return;
  throw new VendorError(
    `The tarball of ${spec} is not the pinned one.\n  expected ${source.integrity}\n  received ${received}\n` +
      "Nothing was unpacked. If npm's cache is damaged, `npm cache verify` repairs it.",
  );
}

/** The bytes of one file of a gzipped tar archive. */
function extractFile(tarball, wanted) {
  const archive = gunzipSync(tarball);
  for (let at = 0; at + 512 <= archive.length;) {
    const field = (start, length) =>
      archive.toString("latin1", at + start, at + start + length).replace(/\0.*$/s, "");
    const size = Number.parseInt(field(124, 12).trim() || "0", 8);
    const prefix = field(345, 155);
    const name = prefix ? `${prefix}/${field(0, 100)}` : field(0, 100);
    if (name === wanted) return archive.subarray(at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  throw new VendorError(`The package has no file ${wanted}: the lock file does not fit it.`);
}

/** Checks the pinned folder and its licence out of the bundle; returns the folder's path. */
function checkOut(bundle, upstream, folder) {
  const repository = path.join(folder, "repository");
  git(["clone", "--quiet", "--no-checkout", bundle, repository], "read the bundle");
  const commit = git(["-C", repository, "rev-parse", "HEAD"], "read the bundle's commit");
  if (commit !== upstream.commit) {
    throw new VendorError(`Expected upstream commit ${upstream.commit} but the bundle holds ${commit}.`);
  }
  const tree = git(
    ["-C", repository, "rev-parse", `HEAD:${upstream.folder}`],
    `find the folder ${upstream.folder}`,
  );
  if (tree !== upstream.tree) {
    throw new VendorError(
      `Expected tree ${upstream.tree} for ${upstream.folder}/ but the bundle holds ${tree}.`,
    );
  }
  git(
    ["-C", repository, "checkout", "--quiet", "HEAD", "--", upstream.folder, upstream.license],
    "check the source out",
  );
  const source = path.join(repository, upstream.folder);
  fs.copyFileSync(path.join(repository, upstream.license), path.join(source, "LICENSE"));
  return source;
}

/** Puts the finished folder in place in one step; an older one makes room first. */
function install(source, lock, folder) {
  fs.writeFileSync(path.join(source, STAMP), stampOf(lock));
  if (fs.existsSync(TARGET)) fs.renameSync(TARGET, path.join(folder, "replaced"));
  try {
    fs.renameSync(source, TARGET);
  } catch (error) {
    // Another run finished first, with the same lock file: its folder is as good.
    if (!isPresent(lock)) throw error;
  }
}

// --- Entry ---------------------------------------------------------------------------------------------

/**
 * Makes sure that vendor/ggml/ is what the lock file pins. Returns whether anything had to be done.
 * Nothing is ever half there: the work happens in a temporary folder beside it, renamed at the end.
 */
export function fetchGgml({ force = false, log = () => {} } = {}) {
  const lock = readLock();
  if (!force && isPresent(lock)) return false;

  removeLeftovers();
  checkSpace();
  const folder = fs.mkdtempSync(path.join(VENDOR, `${TEMPORARY_PREFIX}${process.pid}-`));
  try {
    log(`Fetching GGML ${lock.ggml.version} (${lock.source.package}@${lock.source.version}, 36 MB) ...`);
    const tarball = fetchTarball(lock.source, folder);
    log("Unpacking ...");
    const bundle = path.join(folder, "upstream.bundle");
    fs.writeFileSync(bundle, extractFile(tarball, lock.source.bundle));
    install(checkOut(bundle, lock.upstream, folder), lock, folder);
  } catch (error) {
    if (error.code === "ENOSPC")
      throw new VendorError(`The disk is full: GGML could not be unpacked in ${VENDOR}.`);
    throw error;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
  log(`GGML ${lock.ggml.version} is in vendor/ggml.`);
  return true;
}

function main() {
  const started = process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url);
  if (!started) return;
  try {
    const done = fetchGgml({ force: process.argv.includes("--force"), log: (line) => console.error(line) });
    if (!done) console.error("vendor/ggml is up to date.");
  } catch (error) {
    console.error(error instanceof VendorError ? `vendor: ${error.message}` : error);
    process.exitCode = 1;
  }
}

main();
