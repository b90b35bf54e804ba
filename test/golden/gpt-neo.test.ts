/** GPT-Neo: random checkpoints in Hugging Face's layout, against a double-precision forward pass on their own tensors. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { convert, Generator } from "../../lib/index.js";
import { openModelFile } from "../../lib/model-file.js";
import {
  activate,
  add,
  attention,
  layerNorm,
  linear,
  need,
  product,
  range,
  rows,
  type ReferenceTensor,
  type ReferenceWeights,
} from "../reference/arithmetic.js";
import { LOWERINGS, withModel } from "../native/models.js";
import { logits as nativeLogits } from "../native/requests.js";
import { maxDifference } from "../support/golden.js";
import {
  weightMaker,
  writeModel,
  writeTokenizer,
  type RandomModel,
  type SharedOptions,
} from "../support/random-models.js";
import { integer, random } from "../support/random.js";
import type { CheckpointTensor } from "../support/safetensors.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const folder = temporaryFolder();
const SEED = 67;
const H = 48;
const F = 4 * H;
const L = 4;
const V = 320;
const POSITIONS = 72;

let models = 0;

interface Options extends SharedOptions {
  tied?: boolean;
  base?: boolean;
  classifier?: boolean;
}

async function writeGptNeo({
  tied = true,
  base = false,
  classifier = false,
  ...options
}: Options = {}): Promise<RandomModel> {
  const dir = join(folder, `gpt-neo-${++models}`);
  await writeTokenizer(dir, "gpt2", { vocabSize: V, ...options });
  const make = weightMaker({ seed: SEED, std: 0.15, ...options });
  const norms = (name: string) => [make.scale(`${name}.weight`, H), make.bias(`${name}.bias`, H)];
  const linears = (name: string, to: number, from: number) => [
    make.matrix(`${name}.weight`, to, from),
    make.bias(`${name}.bias`, to),
  ];
  const prefix = base ? "" : "transformer.";
  const tensors: CheckpointTensor[] = [
    make.matrix(`${prefix}wte.weight`, V, H),
    make.matrix(`${prefix}wpe.weight`, POSITIONS, H),
    ...norms(`${prefix}ln_f`),
  ];
  for (let i = 0; i < L; i++) {
    const layer = `${prefix}h.${i}`;
    for (const part of ["q", "k", "v"]) {
      tensors.push(make.matrix(`${layer}.attn.attention.${part}_proj.weight`, H, H));
    }
    tensors.push(...linears(`${layer}.attn.attention.out_proj`, H, H));
    tensors.push(...norms(`${layer}.ln_1`), ...norms(`${layer}.ln_2`));
    tensors.push(...linears(`${layer}.mlp.c_fc`, F, H), ...linears(`${layer}.mlp.c_proj`, H, F));
  }
  if (classifier) tensors.push(make.matrix("score.weight", 3, H));
  else if (!tied && !base) tensors.push(make.matrix("lm_head.weight", V, H));
  const config = {
    architectures: [
      base ? "GPTNeoModel" : classifier ? "GPTNeoForSequenceClassification" : "GPTNeoForCausalLM",
    ],
    model_type: "gpt_neo",
    vocab_size: V,
    hidden_size: H,
    num_layers: L,
    num_heads: options.heads ?? 3,
    max_position_embeddings: POSITIONS,
    attention_types: [[["global", "local"], L / 2]],
    window_size: 19,
    activation_function: "gelu_new",
    layer_norm_epsilon: 1e-5,
    tie_word_embeddings: tied,
    ...options.config,
  };
  return writeModel(dir, config, tensors, options);
}

/** Logits as Hugging Face's GPTNeoForCausalLM computes them, [S, V]; `local` says which layers are. */
function logitsOf(model: RandomModel, local: readonly boolean[], ids: ArrayLike<number>): Float64Array {
  const weights: Map<string, ReferenceTensor> = new Map();
  for (const [name, { shape, data }] of model.weights) {
    const short = name.replace(/^transformer\./, "");
    weights.set(short, { shape: shape.toReversed(), data: Float64Array.from(data) });
  }
  const A = model.config["num_heads"] as number;
  const window = model.config["window_size"] as number;
  let x = add(rows(need(weights, "wte.weight"), ids), rows(need(weights, "wpe.weight"), range(ids.length)));
  for (let i = 0; i < L; i++) x = layer(weights, `h.${i}`, A, local[i] ? window : Infinity, x);
  const head = weights.get("score.weight") ?? weights.get("lm_head.weight") ?? need(weights, "wte.weight");
  return product(head, undefined, layerNorm(weights, "ln_f", 1e-5, x));
}

function layer(weights: ReferenceWeights, name: string, A: number, window: number, x: Float64Array) {
  const normed = layerNorm(weights, `${name}.ln_1`, 1e-5, x);
  const [q, k, v] = ["q", "k", "v"].map((part) => {
    return linear(weights, `${name}.attn.attention.${part}_proj`, normed);
  });
  const bias = (_: number, query: number, key: number) => (query - key < window ? 0 : -Infinity);
  const { mixed } = attention({ q: q!, k: k!, v: v! }, { H, A, scale: 1, causal: true, bias });
  const y = add(x, linear(weights, `${name}.attn.attention.out_proj`, mixed));
  const inner = linear(weights, `${name}.mlp.c_fc`, layerNorm(weights, `${name}.ln_2`, 1e-5, y));
  const activated = inner.map((each) => activate("gelu_new", each));
  return add(y, linear(weights, `${name}.mlp.c_proj`, activated));
}

const ALTERNATING = [false, true, false, true];

describe(`GPT-Neo (seed ${SEED})`, () => {
  it.each([
    ["heads the fused attention covers", {}, ALTERNATING],
    ["other heads, its own output layer, in shards", { heads: 4, tied: false, shards: 3 }, ALTERNATING],
    ["the base class", { base: true }, ALTERNATING],
    ["a window of the token alone", { config: { window_size: 1 } }, ALTERNATING],
    [
      "another order of layers",
      {
        config: {
          attention_types: [
            [["local"], 1],
            [["global"], 2],
            [["local"], 1],
          ],
        },
      },
      [true, false, false, true],
    ],
    ["no local layer", { config: { attention_types: [[["global"], L]] } }, [false, false, false, false]],
  ] satisfies [string, Options, boolean[]][])(
    "%s: gives the reference's logits and greedy tokens in both lowerings",
    async (_, options, local) => {
      const model = await writeGptNeo(options);
      const path = `${model.dir}.gguf`;
      const { architecture } = await convert(model.dir, path, { type: "F32" });
      expect(architecture).toBe("gpt2");
      await using generator = await Generator.load(path, { threads: 2 });
      const { spec } = await openModelFile(path);
      const next = random(SEED);
      for (const length of [1, 18, 19, 20, 41, POSITIONS]) {
        const ids = Int32Array.from({ length }, () => integer(next, 256));
        const expected = logitsOf(model, local, ids);
        for (const lowering of LOWERINGS) {
          const got = await withModel(spec, { lowering }, (native) => nativeLogits(native, ids));
          expect(maxDifference(got, expected), `${lowering}, ${length} tokens`).toBeLessThan(2e-4);
        }
        if (length > 20) continue;
        const { tokens } = await generator.generate({ ids }, { maxTokens: 30, ignoreEos: true });
        const all = logitsOf(model, local, [...ids, ...tokens]);
        expect(tokens).toHaveLength(30);
        for (const [i, token] of tokens.entries()) {
          const row = all.subarray((length + i - 1) * V, (length + i) * V);
          // The likeliest, or as good as that.
          expect(Math.max(...row) - row[token]!).toBeLessThan(1e-4);
        }
      }
    },
  );

  it.each([3, 4])("has the same bits at once, in pieces, in company, with %i heads", async (heads) => {
    const model = await writeGptNeo({ heads });
    await convert(model.dir, `${model.dir}.gguf`, { type: "F32" });
    await using generator = await Generator.load(`${model.dir}.gguf`, { threads: 2 });
    await using single = await Generator.load(`${model.dir}.gguf`, { threads: 1 });
    const next = random(SEED + heads);
    const all = [5, 33, 50].map((length) => Int32Array.from({ length }, () => integer(next, 256)));
    const together = await Promise.all(all.map((ids) => generator.logits({ ids })));
    const settings = { maxTokens: 20, ignoreEos: true, logprobs: true };
    for (const [i, ids] of all.entries()) {
      expect(await generator.logits({ ids })).toEqual(together[i]);
      expect(await single.logits({ ids })).toEqual(together[i]);
      const { tokens, logprobs } = await generator.generate({ ids }, settings);
      expect(logprobs).toHaveLength(20);
      const session = generator.createSession();
      for (const id of ids) await session.append({ ids: [id] });
      expect(await session.generate(settings)).toMatchObject({ tokens, logprobs });
      await session.dispose();
    }
  });

  it("classifies by the last token", async () => {
    const model = await writeGptNeo({ classifier: true });
    await convert(model.dir, `${model.dir}.gguf`, { type: "F32" });
    await using generator = await Generator.load(`${model.dir}.gguf`, { threads: 2 });
    const next = random(SEED);
    const ids = Int32Array.from({ length: 45 }, () => integer(next, 256));
    const { logits } = await generator.classify({ ids });
    expect(maxDifference(logits, logitsOf(model, ALTERNATING, ids).subarray(-3))).toBeLessThan(2e-4);
  });

  it("has hidden states and attention maps that look back as far as each layer does", async () => {
    const model = await writeGptNeo();
    await convert(model.dir, `${model.dir}.gguf`, { type: "F32" });
    await using generator = await Generator.load(`${model.dir}.gguf`, { threads: 2 });
    const next = random(SEED);
    const S = 45;
    const ids = Int32Array.from({ length: S }, () => integer(next, 256));
    const { lastHiddenState, attentions } = await generator.encode({ ids }, { attentions: true });
    const wte = [...model.weights].find(([name]) => name.endsWith("wte.weight"))![1];
    const head = { shape: [H, V], data: Float64Array.from(wte.data) };
    const got = product(head, undefined, Float64Array.from(lastHiddenState!.data));
    expect(maxDifference(got, logitsOf(model, ALTERNATING, ids))).toBeLessThan(2e-4);
    expect(attentions!.shape).toEqual([L, 3, S, S]);
    for (const [at, weight] of attentions!.data.entries()) {
      const [key, query] = [at % S, Math.floor(at / S) % S];
      const window = ALTERNATING[Math.floor(at / (3 * S * S))] ? 19 : S;
      if (key > query || query - key >= window) expect(weight).toBe(0);
      else expect(weight).toBeGreaterThan(0);
    }
  });

  it.each([
    ["activation_function", "quick_gelu", "UNSUPPORTED"],
    ["attention_types", [[["global", "sparse"], 2]], "MODEL_FILE_INVALID"],
    ["attention_types", [[["global"], 3]], "MODEL_FILE_INVALID"],
    ["attention_types", [[["global"], 1e9]], "MODEL_FILE_INVALID"],
    ["attention_types", "global", "MODEL_FILE_INVALID"],
    ["window_size", 0, "MODEL_FILE_INVALID"],
    ["num_heads", 5, "MODEL_FILE_INVALID"],
  ])("is refused with %s: %j", async (field, value, code) => {
    const { dir } = await writeGptNeo({ config: { [field]: value } });
    await expect(convert(dir, `${dir}.gguf`)).rejects.toMatchObject({ code, details: { field } });
  });
});
