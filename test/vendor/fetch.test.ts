import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

// The script is run as it is, through the real npm and git, against a small registry of this test with a
// package made like the pinned one. The pinned tree itself is checked at the end.

const ROOT = path.resolve(import.meta.dirname, "../..");
const PACKAGE = "bundle-of-ggml";
const SOURCE = {
  "ggml/CMakeLists.txt": "project(ggml)\n",
  "ggml/src/ggml.c": "int ggml;\r\n", // a line end that git must not convert
  "ggml/src/deep/er/x.cpp": "int x;\n",
  "src/llama.cpp": "not wanted\n",
  LICENSE: "MIT\n",
};

interface Lock {
  ggml: { version: string };
  upstream: { tag: string; commit: string; folder: string; tree: string; license: string };
  source: { package: string; version: string; integrity: string; bundle: string };
}

interface Result {
  status: number | null;
  output: string;
}

let shared: string; // made once: the package's tarball
let tarball: Buffer;
let pinned: Lock;
let registry: http.Server;
let requests: string[];
let stall: boolean;

let folder: string; // made for each test
let vendor: string;

// --- A package and a registry ----------------------------------------------------------------------------

function git(...args: string[]): string {
  const result = spawnSync("git", ["-c", "user.name=t", "-c", "user.email=t@example.org", ...args], {
    cwd: path.join(shared, "upstream"),
    encoding: "utf8",
  });
  if (result.status !== 0) throw new Error(result.stderr);
  return result.stdout.trim();
}

function tarHeader(name: string, size: number): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write("0000644\0", 100);
  header.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
  header.write("00000000000\0", 136);
  header.write("        0", 148);
  header.write("ustar\x0000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}

function makeTarball(files: Record<string, Buffer>): Buffer {
  const blocks = Object.entries(files).flatMap(([name, contents]) => [
    tarHeader(name, contents.length),
    contents,
    Buffer.alloc((512 - (contents.length % 512)) % 512),
  ]);
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}

function integrityOf(contents: Buffer): string {
  return `sha512-${createHash("sha512").update(contents).digest("base64")}`;
}

function answer(request: http.IncomingMessage, response: http.ServerResponse): void {
  requests.push(request.url ?? "");
  if (stall) return;
  if (request.url?.endsWith(".tgz")) {
    response.end(tarball);
    return;
  }
  const { port } = registry.address() as AddressInfo;
  const dist = { tarball: `http://127.0.0.1:${port}/${PACKAGE}-1.0.0.tgz`, integrity: integrityOf(tarball) };
  response.setHeader("content-type", "application/json");
  response.end(
    JSON.stringify({
      name: PACKAGE,
      "dist-tags": { latest: "1.0.0" },
      versions: { "1.0.0": { name: PACKAGE, version: "1.0.0", dist } },
    }),
  );
}

beforeAll(async () => {
  shared = fs.mkdtempSync(path.join(os.tmpdir(), "vendor-shared-"));
  for (const [name, contents] of Object.entries(SOURCE)) {
    const file = path.join(shared, "upstream", name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, contents);
  }
  git("init", "--quiet");
  git("add", ".");
  git("commit", "--quiet", "-m", "all");
  git("bundle", "create", "--quiet", "../upstream.bundle", "HEAD");
  const bundle = fs.readFileSync(path.join(shared, "upstream.bundle"));
  const manifest = Buffer.from(JSON.stringify({ name: PACKAGE, version: "1.0.0" }));
  tarball = makeTarball({ "package/package.json": manifest, "package/llama/gitRelease.bundle": bundle });
  pinned = {
    ggml: { version: "9.9.9" },
    upstream: {
      tag: "t",
      commit: git("rev-parse", "HEAD"),
      folder: "ggml",
      tree: git("rev-parse", "HEAD:ggml"),
      license: "LICENSE",
    },
    source: {
      package: PACKAGE,
      version: "1.0.0",
      integrity: integrityOf(tarball),
      bundle: "package/llama/gitRelease.bundle",
    },
  };
});

afterAll(() => fs.rmSync(shared, { recursive: true, force: true }));

beforeEach(async () => {
  // The space is there on purpose.
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "vendor test-"));
  vendor = path.join(folder, "vendor");
  fs.mkdirSync(vendor);
  fs.copyFileSync(path.join(ROOT, "vendor", "fetch.mjs"), path.join(vendor, "fetch.mjs"));
  lock();
  requests = [];
  stall = false;
  registry = http.createServer(answer);
  await new Promise<void>((resolve) => registry.listen(0, "127.0.0.1", resolve));
});

afterEach(() => {
  registry.closeAllConnections();
  registry.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

// --- Running the script ----------------------------------------------------------------------------------

function lock(change: (lock: Lock) => void = () => {}): void {
  const changed = structuredClone(pinned);
  change(changed);
  fs.writeFileSync(path.join(vendor, "ggml.lock.json"), JSON.stringify(changed));
}

function environment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { port } = registry.address() as AddressInfo;
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    npm_config_registry: `http://127.0.0.1:${port}/`,
    npm_config_cache: path.join(folder, "cache"),
    npm_config_fetch_retries: "0",
    npm_config_update_notifier: "false",
    ...extra,
  };
  // Set when these tests run under `npm test`; a person's shell does not have it.
  delete env["npm_execpath"];
  return env;
}

function start(args: string[] = [], env: NodeJS.ProcessEnv = {}, cwd = folder): ChildProcess {
  return spawn(process.execPath, [path.join(vendor, "fetch.mjs"), ...args], {
    cwd,
    env: environment(env),
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
}

function end(child: ChildProcess): Promise<Result> {
  return new Promise((resolve) => {
    let output = "";
    child.stdout?.on("data", (chunk) => (output += chunk));
    child.stderr?.on("data", (chunk) => (output += chunk));
    child.on("close", (status) => resolve({ status, output }));
  });
}

function run(args?: string[], env?: NodeJS.ProcessEnv, cwd?: string): Promise<Result> {
  return end(start(args, env, cwd));
}

/** A folder with links to the programs named, for use as the whole PATH. */
function pathWith(...programs: string[]): string {
  const bin = fs.mkdtempSync(path.join(folder, "bin-"));
  for (const program of programs) {
    const found = (process.env["PATH"] ?? "")
      .split(path.delimiter)
      .map((entry) => path.join(entry, program))
      .find((file) => fs.existsSync(file));
    if (found === undefined) throw new Error(`${program} is not on the path`);
    fs.symlinkSync(found, path.join(bin, program));
  }
  return bin;
}

function leftovers(): string[] {
  return fs.readdirSync(vendor).filter((name) => !["fetch.mjs", "ggml.lock.json"].includes(name));
}

function expectComplete(): void {
  for (const name of ["CMakeLists.txt", "src/ggml.c", "src/deep/er/x.cpp"] as const) {
    expect(fs.readFileSync(path.join(vendor, "ggml", name), "utf8")).toBe(SOURCE[`ggml/${name}`]);
  }
  expect(fs.readFileSync(path.join(vendor, "ggml", "LICENSE"), "utf8")).toBe(SOURCE.LICENSE);
  expect(leftovers()).toEqual(["ggml"]);
}

function expectFailure(result: Result, message: RegExp): void {
  expect(result.output).toMatch(message);
  expect(result.output).not.toMatch(/^\s+at /m); // no stack: these are for people
  expect(result.status).toBe(1);
}

// --- Tests -----------------------------------------------------------------------------------------------

describe.skipIf(process.platform === "win32")("vendor/fetch.mjs", () => {
  test("brings the pinned folder with its licence, and nothing else", async () => {
    const result = await run();
    expect(result).toMatchObject({ status: 0 });
    expectComplete();
    expect(fs.existsSync(path.join(vendor, "ggml", "llama.cpp"))).toBe(false);
  });

  test("once done, needs neither network nor npm nor git", async () => {
    await run();
    requests = [];
    const result = await run([], { PATH: pathWith() });
    expect(result).toMatchObject({ status: 0 });
    expect(result.output).toContain("up to date");
    expect(requests).toEqual([]);
    expectComplete();
  });

  test("works from any folder and inside a git hook", async () => {
    const hook = { GIT_DIR: path.join(folder, "elsewhere"), GIT_WORK_TREE: folder, GIT_INDEX_FILE: "x" };
    expect(await run([], hook, os.tmpdir())).toMatchObject({ status: 0 });
    expectComplete();
  });

  test("is not disturbed by a person's git configuration", async () => {
    const config = path.join(folder, "gitconfig");
    fs.writeFileSync(config, "[core]\n  autocrlf = true\n  eol = crlf\n[protocol]\n  allow = never\n");
    expect(await run([], { GIT_CONFIG_GLOBAL: config })).toMatchObject({ status: 0 });
    expectComplete();
  });

  test("brings it again when the lock file changes, the stamp is damaged or --force is given", async () => {
    await run();
    for (const prepare of [
      () => lock((changed) => (changed.ggml.version = "10.0.0")),
      () => fs.writeFileSync(path.join(vendor, "ggml", ".vendored.json"), "{}"),
      () => fs.rmSync(path.join(vendor, "ggml", ".vendored.json")),
    ]) {
      prepare();
      fs.writeFileSync(path.join(vendor, "ggml", "stale.c"), "");
      const result = await run();
      expect(result.output).toContain("Fetching");
      expectComplete();
      expect(fs.existsSync(path.join(vendor, "ggml", "stale.c"))).toBe(false);
    }
    fs.rmSync(path.join(vendor, "ggml", "src"), { recursive: true });
    expect(await run(["--force"])).toMatchObject({ status: 0 });
    expectComplete();
  });

  test("two runs at once both succeed", async () => {
    const results = await Promise.all([run(), run(), run()]);
    for (const result of results) expect(result).toMatchObject({ status: 0 });
    expectComplete();
  });

  describe("fails with a clear message and leaves nothing behind", () => {
    afterEach(() => expect(leftovers()).toEqual([]));

    test("when the tarball is not the pinned one", async () => {
      const wrong = integrityOf(Buffer.from("another"));
      lock((changed) => (changed.source.integrity = wrong));
      const result = await run();
      expectFailure(result, /not the pinned one/);
      expect(result.output).toContain(wrong);
      expect(result.output).toContain(pinned.source.integrity);
    });

    test("when the bundle holds another commit", async () => {
      lock((changed) => (changed.upstream.commit = "0".repeat(40)));
      expectFailure(await run(), /Expected upstream commit 0{40} but the bundle holds [0-9a-f]{40}/);
    });

    test("when the folder has other contents", async () => {
      lock((changed) => (changed.upstream.tree = "0".repeat(40)));
      expectFailure(await run(), /Expected tree 0{40}/);
    });

    test("when the folder does not exist", async () => {
      lock((changed) => (changed.upstream.folder = "nothing"));
      expectFailure(await run(), /git could not find the folder nothing/);
    });

    test("when the package has no such bundle", async () => {
      lock((changed) => (changed.source.bundle = "package/nothing"));
      expectFailure(await run(), /no file package\/nothing/);
    });

    test("when the bundle is none", async () => {
      lock((changed) => (changed.source.bundle = "package/package.json"));
      expectFailure(await run(), /git could not read the bundle/);
    });

    test("when there is no such version", async () => {
      lock((changed) => (changed.source.version = "2.0.0"));
      expectFailure(await run(), /npm could not fetch bundle-of-ggml@2\.0\.0/);
    });

    test("when the registry cannot be reached", async () => {
      const env = { npm_config_registry: "http://127.0.0.1:9/" };
      expectFailure(await run([], env), /could not fetch .* \(is the registry reachable\?\)/);
    });

    test("without npm", async () => {
      expectFailure(await run([], { PATH: pathWith("git") }), /npm is needed .* not found/);
    });

    test("without git", async () => {
      expectFailure(await run([], { PATH: pathWith("npm", "node", "sh") }), /git is needed .* not found/);
    });

    test("when the lock file is damaged", async () => {
      fs.writeFileSync(path.join(vendor, "ggml.lock.json"), "{");
      expectFailure(await run(), /Cannot read .*ggml\.lock\.json/);
    });
  });

  test("a failure keeps the version that was there", async () => {
    await run();
    lock((changed) => (changed.source.integrity = integrityOf(Buffer.from("another"))));
    expectFailure(await run(), /not the pinned one/);
    expectComplete();
  });

  test("a run that is killed leaves no half version, and the next one cleans up", async () => {
    stall = true;
    const child = start();
    const ended = end(child);
    await waitFor(() => requests.length > 0);
    process.kill(-child.pid!, "SIGKILL");
    await ended;
    expect(leftovers()).toHaveLength(1);
    expect(leftovers()[0]).toMatch(/^\.ggml-/);

    stall = false;
    registry.closeAllConnections();
    expect(await run()).toMatchObject({ status: 0 });
    expectComplete();
  });

  test("Ctrl-C ends it with nothing left in place", async () => {
    stall = true;
    const child = start();
    const ended = end(child);
    await waitFor(() => requests.length > 0);
    process.kill(-child.pid!, "SIGINT");
    await ended;
    expect(fs.existsSync(path.join(vendor, "ggml"))).toBe(false);
  });

  test("a full disk is said so before anything is fetched", async (context) => {
    const mounted = path.join(folder, "small");
    fs.mkdirSync(mounted);
    const script = `mount -t tmpfs -o size=16m none "$1" && cp -r "$2" "$1/vendor" && "$3" "$1/vendor/fetch.mjs"`;
    const unshared = [
      "--mount",
      "--map-root-user",
      "sh",
      "-c",
      script,
      "sh",
      mounted,
      vendor,
      process.execPath,
    ];
    if (
      spawnSync("unshare", ["--mount", "--map-root-user", "mount", "-t", "tmpfs", "none", mounted]).status !==
      0
    ) {
      context.skip("this machine does not let a test mount a small file system");
    }
    const result = spawnSync("unshare", unshared, { encoding: "utf8", env: environment() });
    expectFailure(
      { status: result.status, output: result.stderr },
      /Not enough disk space .* 250 MB are needed/,
    );
    expect(requests).toEqual([]);
  });
});

async function waitFor(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

function objectId(kind: string, contents: Buffer): string {
  return createHash("sha1").update(`${kind} ${contents.length}\0`).update(contents).digest("hex");
}

describe("vendor/ggml", () => {
  const real = JSON.parse(fs.readFileSync(path.join(ROOT, "vendor", "ggml.lock.json"), "utf8")) as Lock;
  const ggml = path.join(ROOT, "vendor", "ggml");

  /** The id git gives a folder; `skip` names what was added to it. */
  function treeId(current: string, skip: string[] = []): string {
    const entries = fs
      .readdirSync(current, { withFileTypes: true })
      .filter((entry) => !skip.includes(entry.name))
      .map((entry) => {
        const file = path.join(current, entry.name);
        if (entry.isDirectory())
          return { key: `${entry.name}/`, mode: "40000", name: entry.name, id: treeId(file) };
        const executable = (fs.statSync(file).mode & 0o100) !== 0;
        const id = objectId("blob", fs.readFileSync(file));
        return { key: entry.name, mode: executable ? "100755" : "100644", name: entry.name, id };
      })
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    return objectId(
      "tree",
      Buffer.concat(
        entries.map(({ mode, name, id }) =>
          Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, "hex")]),
        ),
      ),
    );
  }

  test.skipIf(process.platform === "win32")("is the pinned tree, unmodified", () => {
    expect(treeId(ggml, ["LICENSE", ".vendored.json"])).toBe(real.upstream.tree);
  });

  test("is the version the lock file names", () => {
    const list = fs.readFileSync(path.join(ggml, "CMakeLists.txt"), "utf8");
    const part = (name: string) => list.match(new RegExp(`set\\(GGML_VERSION_${name} (\\d+)\\)`))?.[1];
    expect(`${part("MAJOR")}.${part("MINOR")}.${part("PATCH")}`).toBe(real.ggml.version);
  });

  test("carries its licence", () => {
    expect(fs.readFileSync(path.join(ggml, "LICENSE"), "utf8")).toMatch(
      /^MIT License\s+Copyright .* The ggml authors/,
    );
  });
});
