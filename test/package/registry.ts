/** A registry on this machine, of tarballs alone: npm asks it as it asks the public one. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";

interface Manifest {
  name: string;
  version: string;
}

export interface Registry {
  /** What makes npm ask this registry, with a cache of its own in `folder`. */
  environment(folder: string): NodeJS.ProcessEnv;
  close(): void;
}

/** Serves these packages, and says of every other that there is none. */
export async function openRegistry(tarballs: string[]): Promise<Registry> {
  const files = new Map(tarballs.map((tarball) => [`/-/${path.basename(tarball)}`, tarball]));
  const server = http.createServer(({ url = "" }, response) => {
    const file = files.get(url);
    const answer =
      file === undefined ? packages.get(decodeURIComponent(url.slice(1))) : fs.readFileSync(file);
    response.writeHead(answer === undefined ? 404 : 200).end(answer ?? "{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const packages = new Map(Array.from(files, ([place, file]) => describePackage(file, address + place)));
  return {
    environment: (folder) => ({
      npm_config_registry: address,
      npm_config_cache: path.join(folder, `cache-${new URL(address).port}`),
      npm_config_noproxy: "127.0.0.1",
    }),
    close: () => server.close(),
  };
}

/** A package's name, and what a registry says of it. */
function describePackage(tarball: string, url: string): [name: string, answer: string] {
  const text = execFileSync("tar", ["-xzOf", tarball, "package/package.json"], { encoding: "utf8" });
  const manifest = JSON.parse(text) as Manifest;
  const { name, version } = manifest;
  const integrity = `sha512-${createHash("sha512").update(fs.readFileSync(tarball)).digest("base64")}`;
  const versions = { [version]: { ...manifest, dist: { tarball: url, integrity } } };
  return [name, JSON.stringify({ name, "dist-tags": { latest: version }, versions })];
}
