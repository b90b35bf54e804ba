// Runs modules one after another in one process, and reports what each printed: one line of JSON per module.
//
//   node run-modules.mjs FILE...
import { pathToFileURL } from "node:url";

const write = process.stdout.write.bind(process.stdout);

for (const file of process.argv.slice(2)) {
  let output = "";
  process.stdout.write = (chunk) => {
    output += chunk;
    return true;
  };
  let error;
  try {
    await import(pathToFileURL(file).href);
  } catch (reason) {
    error = reason instanceof Error ? reason.stack : String(reason);
  }
  process.stdout.write = write;
  write(`${JSON.stringify({ output, error })}\n`);
}
