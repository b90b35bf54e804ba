// Text as it is written; Ctrl-C stops it: node examples/generate.mjs "Call me"
import { Generator } from "../dist/index.mjs";

const prompt = process.argv[2] ?? "The whale";
const controller = new AbortController();
process.once("SIGINT", () => controller.abort());

const generator = await Generator.load("mini-gpt2");
const stream = generator.stream(prompt, {
  maxTokens: 80,
  temperature: 0.8,
  topK: 40,
  stop: "\n\n",
  signal: controller.signal,
});
process.stdout.write(prompt);
try {
  for await (const { text } of stream) process.stdout.write(text);
  const { finishReason, seed, timings } = await stream.result;
  console.log(`\n\n${finishReason}, seed ${seed}, ${timings.generatedTokensPerSecond.toFixed(0)} tokens/s`);
} catch (error) {
  if (error.name !== "AbortError") throw error;
}
await generator.dispose();
