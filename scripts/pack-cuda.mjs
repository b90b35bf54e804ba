// Makes the optional package that brings the CUDA addon to one platform, from what `npm run build:cuda` built.
//
//   node scripts/pack-cuda.mjs [--addon=<file>] [--out=<folder>]
//
// The package is one file and a manifest: installing it is all that is needed for `device: "cuda"`.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readBinary } from "./binary-format.mjs";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const ADDON = "ggml_transformers_cuda.node";

/** The manifest of the package for a platform, at the version of this one. */
export function cudaManifest(platform, arch) {
  const { version, license } = JSON.parse(fs.readFileSync(path.join(ROOT, "package.json"), "utf8"));
  return {
    name: `ggml-transformers-cuda-${platform}-${arch}`,
    version,
    description: `The CUDA addon of ggml-transformers for ${platform}-${arch}.`,
    license,
    main: `./${ADDON}`,
    files: [ADDON, "THIRD_PARTY_NOTICES.md"],
    os: [platform],
    cpu: [arch],
    ...(platform === "linux" ? { libc: ["glibc"] } : {}),
  };
}

function readme({ name, version }) {
  return [
    `# ${name}`,
    "",
    "The CUDA addon of ggml-transformers. Install it beside that package, at the same version:",
    "",
    "```sh",
    `npm install ggml-transformers@${version} ${name}@${version}`,
    "```",
    "",
    'Models then run on the graphics card with `device: "cuda"`, and with `device: "auto"` where it is the fastest.',
    "",
  ].join("\n");
}

/** Packs the addon in `file` for the platform it was built for; returns the tarball's path. */
export function packCuda({ file = path.join(ROOT, "build", "Release", ADDON), out = ROOT } = {}) {
  if (!fs.existsSync(file)) throw new Error(`${file} is missing: npm run build:cuda makes it.`);
  const binary = readBinary(fs.readFileSync(file));
  if (binary?.arch === undefined) throw new Error(`${file} is no addon for a platform that is known.`);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cuda-package-"));
  try {
    const manifest = cudaManifest(binary.platform, binary.arch);
    fs.copyFileSync(file, path.join(folder, ADDON));
    for (const name of ["LICENSE", "THIRD_PARTY_NOTICES.md"]) {
      fs.copyFileSync(path.join(ROOT, name), path.join(folder, name));
    }
    fs.writeFileSync(path.join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
    fs.writeFileSync(path.join(folder, "README.md"), readme(manifest));
    fs.mkdirSync(out, { recursive: true });
    const { status, stdout, stderr } = spawnSync(
      "npm",
      ["pack", "--silent", `--pack-destination=${path.resolve(out)}`],
      {
        cwd: folder,
        encoding: "utf8",
        shell: process.platform === "win32",
      },
    );
    if (status !== 0) throw new Error(`npm could not pack ${manifest.name}: ${stderr}`);
    return path.join(path.resolve(out), stdout.trim());
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { addon: { type: "string" }, out: { type: "string" } } });
  try {
    console.error(`Packed ${packCuda({ file: values.addon, out: values.out })}.`);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
