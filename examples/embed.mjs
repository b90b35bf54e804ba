// Semantic search: node examples/embed.mjs "a little ship"
import { Encoder } from "../dist/index.mjs";

const query = process.argv[2] ?? "a little ship";
const passages = [
  "A bird that cannot fly.",
  "A small boat moved by oars.",
  "A building where bread is baked.",
  "The tax that is paid on imported goods.",
  "A large mammal that lives in the sea.",
];

const encoder = await Encoder.load("mini-embed");
const [queryVector, ...vectors] = await encoder.embed([query, ...passages]);

// The vectors have length 1, so that the dot product is the cosine similarity.
const ranked = passages
  .map((text, i) => ({ text, score: vectors[i].reduce((sum, value, k) => sum + value * queryVector[k], 0) }))
  .sort((a, b) => b.score - a.score);
for (const { text, score } of ranked) console.log(score.toFixed(3), text);
await encoder.dispose();
