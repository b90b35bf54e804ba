// Reads an asar archive the way Electron does, in plain Node: the functions of `fs` that take a path also take
// one inside an archive, and modules load from there. A file that the packager left unpacked is read where it
// lies, in `<archive>.unpacked`.
//
//   node asar-fs.cjs <archive> <file inside it>
"use strict";
const fs = require("node:fs");
const Module = require("node:module");
const path = require("node:path");
const asar = require("@electron/asar");

const original = { ...fs };
const archive = path.resolve(process.argv[2]);

/** The path inside the archive; undefined for one outside. */
function inside(file) {
  if (typeof file !== "string") return undefined;
  const absolute = path.resolve(file);
  if (absolute === archive) return "";
  return absolute.startsWith(archive + path.sep) ? absolute.slice(archive.length + 1) : undefined;
}

/** What the archive's header says of a path: a folder has `files`. */
function entryOf(name) {
  try {
    return name === ""
      ? { files: asar.getRawHeader(archive).header.files }
      : asar.statFile(archive, name, true);
  } catch {
    return undefined;
  }
}

const onDisk = (name) => path.join(`${archive}.unpacked`, name);

function missing(call, file) {
  return Object.assign(new Error(`ENOENT: no such file or directory, ${call} '${file}'`), {
    code: "ENOENT",
    path: file,
  });
}

function read(file, options) {
  const name = inside(file);
  const entry = entryOf(name);
  if (entry === undefined || entry.files) throw missing("open", file);
  if (entry.unpacked) return original.readFileSync(onDisk(name), options);
  const contents = asar.extractFile(archive, name);
  const encoding = typeof options === "string" ? options : options?.encoding;
  return encoding ? contents.toString(encoding) : contents;
}

function stat(file) {
  const entry = entryOf(inside(file));
  if (entry === undefined) throw missing("stat", file);
  const { uid, gid, mtime, atime, ctime, birthtime } = original.statSync(archive);
  return {
    uid,
    gid,
    mtime,
    atime,
    ctime,
    birthtime,
    size: entry.size ?? 0,
    isFile: () => !entry.files,
    isDirectory: () => Boolean(entry.files),
    isSymbolicLink: () => false,
  };
}

/** Each of these takes a path first. */
const replaced = {
  existsSync: (file) => entryOf(inside(file)) !== undefined,
  readFileSync: read,
  statSync: stat,
  lstatSync: stat,
  realpathSync: (file) => file,
  readdirSync: (folder) => {
    const entry = entryOf(inside(folder));
    if (!entry?.files) throw missing("scandir", folder);
    return Object.keys(entry.files);
  },
};
for (const [name, replacement] of Object.entries(replaced)) {
  fs[name] = (file, ...rest) =>
    inside(file) === undefined ? original[name](file, ...rest) : replacement(file, ...rest);
}
for (const name of ["readFile", "stat", "lstat", "readdir", "realpath"]) {
  const promised = fs.promises[name];
  fs.promises[name] = async (file, ...rest) =>
    inside(file) === undefined ? promised(file, ...rest) : replaced[`${name}Sync`](file, ...rest);
}

// --- Modules: resolution and the reading of package.json are inside Node, hence done here --------------

const isFile = (file) => fs.existsSync(file) && fs.statSync(file).isFile();

function asFile(base) {
  return [base, `${base}.js`, `${base}.cjs`, `${base}.json`, path.join(base, "index.js")].find(isFile);
}

/** The file that a package gives for `subpath` ("." or "./...") to `require`. */
function fromPackage(folder, subpath) {
  const manifest = path.join(folder, "package.json");
  if (!fs.existsSync(manifest)) return undefined;
  const { exports, main } = JSON.parse(fs.readFileSync(manifest, "utf8"));
  let target = exports?.[subpath] ?? (subpath === "." && typeof exports === "string" ? exports : undefined);
  while (typeof target === "object") target = target.require ?? target.node ?? target.default;
  return asFile(path.join(folder, target ?? (subpath === "." ? (main ?? "index.js") : subpath)));
}

function resolveInside(request, from) {
  if (path.isAbsolute(request) || /^\.\.?(?:\/|$)/.test(request)) return asFile(path.resolve(from, request));
  const [, name, rest] = /^((?:@[^/]+\/)?[^/]+)(\/.*)?$/.exec(request);
  for (let folder = from; inside(folder) !== undefined; folder = path.dirname(folder)) {
    const found = fromPackage(path.join(folder, "node_modules", name), `.${rest ?? ""}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

const resolveFilename = Module._resolveFilename;
Module._resolveFilename = (request, parent, ...rest) => {
  const from = parent?.filename ? path.dirname(parent.filename) : path.dirname(archive);
  const isOurs = inside(from) !== undefined || inside(request) !== undefined;
  const found = isOurs && !Module.isBuiltin(request) ? resolveInside(request, from) : undefined;
  return found ?? resolveFilename(request, parent, ...rest);
};

require(path.join(archive, process.argv[3]));
