// Missing words: node examples/fill-mask.mjs "The captain of the [MASK] was a good man."
import { Encoder } from "../dist/index.mjs";

const text = process.argv[2] ?? "The captain of the [MASK] was a good man.";

const encoder = await Encoder.load("mini-bert");
const { masks } = await encoder.fillMask(text, { topK: 5 });
for (const { offset, predictions } of masks) {
  console.log(`${text.slice(...offset)} at ${offset[0]}:`);
  for (const { score, tokenString, sequence } of predictions) {
    console.log(`  ${(100 * score).toFixed(1).padStart(5)} %  ${tokenString.padEnd(12)} ${sequence}`);
  }
}
await encoder.dispose();
