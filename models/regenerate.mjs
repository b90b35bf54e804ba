// Makes the embedded models again from their checkpoints:
//   npm run build && node models/regenerate.mjs <folder with mini-bert, mini-embed and mini-gpt2>
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const MODELS = ["mini-bert", "mini-embed", "mini-gpt2"];

const here = dirname(fileURLToPath(import.meta.url));
const compiled = join(here, "..", "dist", "convert", "index.js");
const [source] = process.argv.slice(2);
if (source === undefined || !existsSync(compiled)) {
  console.error("Usage: npm run build && node models/regenerate.mjs <folder of the checkpoints>");
  process.exit(2);
}

const { convert } = createRequire(import.meta.url)(compiled);
for (const name of MODELS) {
  const { path, bytes } = await convert(join(source, name), join(here, `${name}.gguf`), { type: "Q8_0" });
  console.log(`${path}: ${bytes} bytes`);
}
