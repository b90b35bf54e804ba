import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { ModelSpec, SamplingOptions } from "../../lib/native.js";
import { random } from "../support/random.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { LOWERINGS, randomBert, randomGpt2, withModel } from "./models.js";
import { encode, generate, logits, ragged, randomIds } from "./requests.js";

const SEED = 404;
const folder = temporaryFolder();
const V = 50;
const CONTEXT = 16;

/** Overwrites some values of a tensor in the file. */
function damage({ path, tensors }: ModelSpec, name: string, value: number, every: number): void {
  const { shape, offset } = tensors.find((tensor) => tensor.name === name)!;
  const bytes = readFileSync(path);
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  values.set(
    new Float32Array(
      bytes.buffer.slice(bytes.byteOffset + offset, bytes.byteOffset + offset + 4 * values.length),
    ),
  );
  for (let i = 0; i < values.length; i += every) values[i] = value;
  bytes.set(new Uint8Array(values.buffer), offset);
  writeFileSync(path, bytes);
}

const VALUES = [Number.NaN, Infinity, -Infinity, 3e38, -3e38, 1e-45];

const SAMPLING: Record<string, Partial<SamplingOptions>> = {
  greedy: {},
  temperature: { temperature: 0.8 },
  topK: { temperature: 1, topK: 5 },
  topP: { temperature: 1, topP: 0.6 },
  "those that restrict": {
    temperature: 1,
    dynamicRange: 0.5,
    topNSigma: 1,
    minP: 0.1,
    typicalP: 0.8,
    xtcProbability: 1,
  },
  "mirostat 1": { temperature: 1, mirostat: 1 },
  "mirostat 2": { temperature: 1, mirostat: 2 },
  "those that adjust": {
    repetitionPenalty: 1.5,
    frequencyPenalty: 0.5,
    dryMultiplier: 1,
    noRepeatNgramSize: 3,
  },
  "all of them": { temperature: 0.01, topK: 20, topP: 0.9 },
};

describe.each(LOWERINGS)("weights that are not finite, %s, do not end the process", (lowering) => {
  const places = ["token_embd.weight", "blk.0.attn_k.weight", "blk.1.ffn_down.bias", "blk.0.ffn_up.weight"];

  it.each(["token_embd_norm.weight", "mlm.output.bias", ...places])("BERT, in %s", async (name) => {
    for (const value of VALUES) {
      for (const every of [1, 7]) {
        const { spec } = await randomBert(folder, { V, context: CONTEXT });
        damage(spec, name, value, every);
        await withModel(spec, { lowering }, async (model) => {
          const sequences = [1, 5, 16].map((length) => randomIds(random(SEED), length, V));
          const outputs = { lastHiddenState: true, poolerOutput: true, nextSentence: true };
          const wanted = { ...outputs, mlmPositions: Int32Array.of(0, 21), normalize: true };
          for (const pooling of ["mean", "cls", "max", "last"] as const) {
            const result = await encode(model, { ...ragged(sequences), ...wanted, pooling });
            expect(result.lastHiddenState).toHaveLength(22 * 32);
          }
          await encode(model, { ...ragged(sequences), attentions: true, hiddenStates: true });
        });
      }
    }
  });

  it.each([
    "output_norm.bias",
    "blk.0.attn_norm.weight",
    ...places.map((name) => name.replace("attn_k", "attn_qkv")),
  ])("GPT-2, in %s", async (name) => {
    for (const value of VALUES) {
      for (const every of [1, 7]) {
        const { spec } = await randomGpt2(folder, { V, context: CONTEXT });
        damage(spec, name, value, every);
        await withModel(spec, { lowering }, async (model) => {
          const prompt = randomIds(random(SEED), 5, V);
          for (const [how, sampling] of Object.entries(SAMPLING)) {
            const { tokens } = await generate(model, prompt, 4, { sampling: { ...sampling, seed: 3 } });
            expect(tokens, how).toHaveLength(4);
            for (const id of tokens) expect(id >= 0 && id < V, `${id}`).toBe(true);
          }
          expect(await logits(model, prompt)).toHaveLength(5 * V);
        });
      }
    }
  });

  it("and every token is possible for a head that says nothing", async () => {
    const { spec } = await randomGpt2(folder, { V, context: CONTEXT, tied: false });
    damage(spec, "output.weight", Number.NaN, 1);
    await withModel(spec, { lowering }, async (model) => {
      const { tokens } = await generate(model, [1], 10, { sampling: { temperature: 1, topK: 3, topP: 0.5 } });
      expect(tokens).toHaveLength(10);
    });
  });
});
