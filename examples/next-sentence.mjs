// Does one sentence follow another? node examples/next-sentence.mjs "first sentence" "second sentence"
import { Encoder } from "../dist/index.mjs";

const first = process.argv[2] ?? "And he said unto them, Go ye up.";
const candidates = process.argv[3]
  ? [process.argv[3]]
  : ["And they went up to Jerusalem.", "A program is a set of instructions for a computer."];

const encoder = await Encoder.load("mini-bert");
const results = await encoder.nextSentence(candidates.map((second) => [first, second]));
for (const [i, { probability }] of results.entries()) {
  console.log(`${(100 * probability).toFixed(1).padStart(5)} %  ${candidates[i]}`);
}
await encoder.dispose();
