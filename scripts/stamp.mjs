// Whether a build result still fits its inputs: a hash of them, kept in a file beside the result.
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

/**
 * Hash over names and contents of the given files and, recursively, folders; paths are relative to `root`.
 * Contents and not times, so that a fresh checkout or a touched file costs no rebuild.
 */
export function hashInputs(root, inputs) {
  const hash = createHash("sha256");
  for (const input of inputs) addToHash(hash, root, input);
  return hash.digest("hex");
}

function addToHash(hash, root, name) {
  const file = path.join(root, name);
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  if (stat?.isDirectory()) {
    for (const entry of fs.readdirSync(file).sort()) addToHash(hash, root, `${name}/${entry}`);
    return;
  }
  const contents = stat ? fs.readFileSync(file) : Buffer.alloc(0);
  hash.update(`${name}\0${stat ? contents.length : "absent"}\0`);
  hash.update(contents);
}

export function readStamp(file) {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
