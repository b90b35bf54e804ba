// A Hugging Face folder to GGUF: node examples/convert.mjs all-MiniLM-L6-v2 minilm.gguf Q8_0
import { convert, inspect } from "../dist/index.mjs";

const [dir, out, type] = process.argv.slice(2);
if (!dir || !out) {
  console.error("Usage: node examples/convert.mjs <folder of the checkpoint> <file.gguf> [type]");
  process.exit(2);
}

await convert(dir, out, { type });
const { architecture, parameters, types, tasks, fileSize } = await inspect(out);
console.log(
  `${architecture}, ${(parameters / 1e6).toFixed(1)} M parameters, ${(fileSize / 1e6).toFixed(1)} MB`,
);
for (const { type: name, tensors } of types) console.log(`  ${tensors} tensors of type ${name}`);
console.log(`It can ${tasks.join(", ")}.`);
