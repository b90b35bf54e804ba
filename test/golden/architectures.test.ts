/**
 * BERT's kin: random checkpoints in Hugging Face's layout, converted and computed, against the double-precision
 * forward pass on the checkpoint's own tensors.
 */
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { convert } from "../../lib/index.js";
import { openModelFile } from "../../lib/model-file.js";
import type { DenseResult, EncodeRequest, EncodeResult, TensorType } from "../../lib/native.js";
import { LOWERINGS, TEST_DEVICE, THREADS, withModel, type Lowering, tolerance } from "../native/models.js";
import { encode, ragged, randomIds } from "../native/requests.js";
import { concatenate, type ReferenceTensor } from "../reference/arithmetic.js";
import {
  albert,
  distilbert,
  electra,
  mpnet,
  roberta,
  type ReferenceEncoder,
  type ReferenceEncoderOutput,
} from "../reference/encoders.js";
import { modernBert } from "../reference/modern-bert.js";
import { cosine, maxDifference } from "../support/golden.js";
import { writeRandomEncoder, type Family, type RandomEncoderOptions } from "../support/random-encoders.js";
import { integer, random } from "../support/random.js";
import type { RandomModel } from "../support/random-models.js";
import { temporaryFolder } from "../support/temporary-folder.js";

// GGML's own threads, of the plain operations, wait for each other without yielding: slow on a busy machine.
vi.setConfig({ testTimeout: 600_000 });

const TOLERANCE = tolerance(1e-5);
const SEED = 4_004;
const folder = temporaryFolder();

const REFERENCES: Readonly<Record<Family, ReferenceEncoder>> = {
  roberta,
  distilbert,
  electra,
  albert,
  mpnet,
  modernbert: modernBert,
};

/** Heads of 16 values, which the fused attention covers, and sizes it does not. */
const ODD = { hidden: 36, heads: 3, intermediate: 37, vocabSize: 301 };

const CASES: Record<string, RandomEncoderOptions> = {
  roberta: { family: "roberta", architecture: "RobertaForMaskedLM" },
  "roberta, base class, odd sizes": { family: "roberta", architecture: "RobertaModel", ...ODD },
  "roberta, another padding token": {
    family: "roberta",
    architecture: "RobertaForMaskedLM",
    config: { pad_token_id: 5, type_vocab_size: 3 },
  },
  "xlm-roberta, untied": { family: "roberta", architecture: "XLMRobertaForMaskedLM", tied: false },
  camembert: { family: "roberta", architecture: "CamembertModel", activation: "relu" },
  distilbert: { family: "distilbert", architecture: "DistilBertForMaskedLM" },
  "distilbert, untied, relu": {
    family: "distilbert",
    architecture: "DistilBertForMaskedLM",
    activation: "relu",
    tied: false,
  },
  "distilbert, odd sizes": { family: "distilbert", architecture: "DistilBertModel", ...ODD },
  electra: { family: "electra", architecture: "ElectraForMaskedLM", embedding: 32 },
  "electra, as wide as its layers, odd sizes": {
    family: "electra",
    architecture: "ElectraForMaskedLM",
    ...ODD,
    embedding: 36,
  },
  "electra, discriminator, relu": {
    family: "electra",
    architecture: "ElectraForPreTraining",
    activation: "relu",
    embedding: 20,
  },
  albert: { family: "albert", architecture: "AlbertForMaskedLM", layers: 4 },
  "albert, pre-training, three groups, untied": {
    family: "albert",
    architecture: "AlbertForPreTraining",
    layers: 6,
    config: { num_hidden_groups: 3 },
    tied: false,
  },
  "albert, odd sizes": { family: "albert", architecture: "AlbertModel", ...ODD, embedding: 64 },
  mpnet: { family: "mpnet", architecture: "MPNetForMaskedLM" },
  "mpnet, distances of every bucket": {
    family: "mpnet",
    architecture: "MPNetModel",
    positions: 202,
    layers: 1,
  },
  "mpnet, odd sizes": { family: "mpnet", architecture: "MPNetModel", ...ODD },
  modernbert: { family: "modernbert", architecture: "ModernBertForMaskedLM", layers: 5 },
  "modernbert, untied, other bases and windows": {
    family: "modernbert",
    architecture: "ModernBertForMaskedLM",
    layers: 4,
    tied: false,
    activation: "silu",
    config: {
      global_attn_every_n_layers: 2,
      local_attention: 13,
      global_rope_theta: 500,
      local_rope_theta: 20,
    },
  },
  "modernbert, odd sizes": { family: "modernbert", architecture: "ModernBertModel", ...ODD, layers: 3 },
};

const CLASSIFIERS = ["SequenceClassification", "TokenClassification", "QuestionAnswering"];
for (const [family, name] of [
  ["roberta", "Roberta"],
  ["distilbert", "DistilBert"],
  ["electra", "Electra"],
  ["albert", "Albert"],
  ["mpnet", "MPNet"],
  ["modernbert", "ModernBert"],
] satisfies [Family, string][]) {
  for (const head of CLASSIFIERS) {
    const activation = family === "electra" ? "relu" : undefined;
    CASES[`${family}, ${head}`] = { family, architecture: `${name}For${head}`, activation };
  }
}

CASES["modernbert, SequenceClassification of the mean"] = {
  family: "modernbert",
  architecture: "ModernBertForSequenceClassification",
  config: { classifier_pooling: "mean" },
};

interface Converted {
  spec: Awaited<ReturnType<typeof openModelFile>>["spec"];
  model: RandomModel;
}

let files = 0;

async function converted(options: RandomEncoderOptions, type: TensorType = "F32"): Promise<Converted> {
  const dir = join(folder, `checkpoint-${++files}`);
  const model = await writeRandomEncoder(dir, { seed: SEED, ...options });
  const path = `${dir}.gguf`;
  await convert(dir, path, { type });
  return { spec: (await openModelFile(path)).spec, model };
}

/** What the reference makes of a sequence. */
function expected(
  { family }: RandomEncoderOptions,
  model: RandomModel,
  ids: Int32Array,
  segments: Int32Array,
) {
  const weights = new Map<string, ReferenceTensor>();
  for (const [name, { shape, data }] of model.weights)
    weights.set(name, { shape: shape.toReversed(), data: Float64Array.from(data) });
  return REFERENCES[family](weights, model.config, ids, segments);
}

/** Sequences of every length that matters, with random segments. */
function inputs({ spec: { hyperparameters } }: Converted) {
  const {
    vocabSize,
    contextLength,
    segmentCount = 0,
  } = hyperparameters as {
    vocabSize: number;
    contextLength: number;
    segmentCount?: number;
  };
  const next = random(SEED);
  const lengths = [1, 2, 5, 8, 5, 17, contextLength];
  const sequences = lengths.map((length) => randomIds(next, length, vocabSize));
  return {
    sequences,
    segments: sequences.map((ids) => ids.map(() => integer(next, Math.max(segmentCount, 1)))),
  };
}

/** The largest difference, as a fraction of the largest value. */
function relativeError(actual: Float32Array, reference: Float64Array): number {
  const largest = reference.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return maxDifference(actual, reference) / largest;
}

function requestFor(test: Converted, references: readonly ReferenceEncoderOutput[]): EncodeRequest {
  const { sequences, segments } = inputs(test);
  const request: EncodeRequest = {
    ...ragged(sequences),
    segments: ragged(segments).ids,
    lastHiddenState: true,
  };
  if (references[0]!.mlm) request.mlmPositions = Int32Array.from(request.ids.keys());
  if (references[0]!.pooled) request.poolerOutput = true;
  if (references[0]!.sequence) request.sequenceLogits = true;
  if (references[0]!.token) request.tokenLogits = true;
  if (references[0]!.answer) request.answerLogits = true;
  if (references[0]!.replaced) request.replacedLogits = true;
  if (references[0]!.sentenceOrder) request.nextSentence = true;
  return request;
}

function expectOutputs(result: EncodeResult, references: readonly ReferenceEncoderOutput[]): void {
  const compare = (name: keyof DenseResult, parts: readonly (Float64Array | undefined)[]) => {
    if (parts[0] === undefined) return expect(result[name], name).toBeUndefined();
    expect(relativeError(result[name]!, concatenate(parts as Float64Array[])), name).toBeLessThan(TOLERANCE);
  };
  const last = references.map(({ hiddenStates }) => hiddenStates.at(-1)!);
  compare("lastHiddenState", last);
  compare(
    "mlmLogits",
    references.map(({ mlm }) => mlm),
  );
  compare(
    "poolerOutput",
    references.map(({ pooled }) => pooled),
  );
  compare(
    "sequenceLogits",
    references.map(({ sequence }) => sequence),
  );
  compare(
    "tokenLogits",
    references.map(({ token }) => token),
  );
  compare(
    "answerLogits",
    references.map(({ answer }) => answer),
  );
  compare(
    "replacedLogits",
    references.map(({ replaced }) => replaced),
  );
  compare(
    "nextSentenceLogits",
    references.map(({ sentenceOrder }) => sentenceOrder),
  );
  if (result.hiddenStates)
    compare(
      "hiddenStates",
      references.flatMap((each) => each.hiddenStates),
    );
  if (result.attentions)
    compare(
      "attentions",
      references.flatMap((each) => each.attentions),
    );
}

const references = (options: RandomEncoderOptions, test: Converted) => {
  const { sequences, segments } = inputs(test);
  return sequences.map((ids, i) => expected(options, test.model, ids, segments[i]!));
};

describe.each(LOWERINGS)(`architectures in F32, %s, against double precision (seed ${SEED})`, (lowering) => {
  it.each(Object.entries(CASES))("%s", async (_, options) => {
    const test = await converted(options);
    const wanted = references(options, test);
    const request = requestFor(test, wanted);
    await withModel(test.spec, { lowering }, async (model) => {
      expectOutputs(await encode(model, request), wanted);
      const all = await encode(model, { ...request, hiddenStates: true, attentions: true });
      expectOutputs(all, wanted);
      // Again, over a graph that may have been kept, and with all hidden states.
      expectOutputs(await encode(model, { ...request, hiddenStates: true }), wanted);
    });
  });

  it.each(Object.entries(CASES))("%s: refuses what is longer than its context", async (_, options) => {
    const { spec } = await converted(options);
    const limit = spec.hyperparameters.contextLength;
    const request = { ...ragged([new Int32Array(limit + 1)]), lastHiddenState: true };
    await withModel(spec, { lowering }, async (model) => {
      await expect(encode(model, request)).rejects.toMatchObject({
        code: "INPUT_TOO_LONG",
        details: { limit },
      });
    });
  });
});

describe("attention over more pairs of tokens than memory holds", () => {
  it.each([
    { family: "mpnet", architecture: "MPNetModel" },
    { family: "modernbert", architecture: "ModernBertModel" },
  ] satisfies RandomEncoderOptions[])("$family: is refused, and the model goes on", async (options) => {
    const length = 400_000;
    const sizes = { hidden: 4, heads: 1, intermediate: 4, layers: 1, positions: length + 2 };
    const { spec } = await converted({ ...options, ...sizes });
    await withModel(spec, { lowering: "fused" }, async (model) => {
      const request = (ids: Int32Array) => encode(model, { ...ragged([ids]), pooling: "mean" });
      await expect(request(new Int32Array(length))).rejects.toMatchObject({ code: "OUT_OF_MEMORY" });
      expect((await request(Int32Array.of(1, 2))).pooled).toHaveLength(4);
    });
  });
});

const FAMILIES = Object.entries(CASES).filter(([name]) => !name.includes(","));

describe.each(LOWERINGS)("architectures in Q8_0, %s", (lowering) => {
  it.each(FAMILIES)("%s: hidden states point where the reference's do", async (_, options) => {
    const test = await converted({ ...options, embedding: 32 }, "Q8_0");
    const wanted = references({ ...options, embedding: 32 }, test);
    const result = await withModel(test.spec, { lowering }, (model) =>
      encode(model, requestFor(test, wanted)),
    );
    const last = concatenate(wanted.map(({ hiddenStates }) => hiddenStates.at(-1)!));
    expect(cosine(result.lastHiddenState!, last)).toBeGreaterThan(0.999);
  });
});

/** The last hidden states and their means, of each sequence. */
async function outputs(
  test: Converted,
  settings: { lowering: Lowering; threads: number },
  batches: readonly (readonly Int32Array[])[],
): Promise<Buffer[]> {
  const parts: Buffer[] = [];
  const H = test.spec.hyperparameters.embeddingLength;
  await withModel(test.spec, settings, async (model) => {
    for (const batch of batches) {
      const request = { ...ragged(batch), lastHiddenState: true, pooling: "mean" } as const;
      const { lastHiddenState, pooled } = await encode(model, request);
      let at = 0;
      for (const [i, { length }] of batch.entries()) {
        const own = [lastHiddenState!.slice(at, (at += length * H)), pooled!.slice(i * H, (i + 1) * H)];
        parts.push(Buffer.concat(own.map(({ buffer }) => Buffer.from(buffer))));
      }
    }
  });
  return parts;
}

describe.skipIf(TEST_DEVICE).each(LOWERINGS)(
  "architectures, %s, have the same bits alone and in a batch",
  (lowering) => {
    it.each(
      FAMILIES.flatMap(([name, options]) => [
        [name, "F32", options] as const,
        [name, "Q8_0", options] as const,
      ]),
    )("%s in %s", async (_, type, options) => {
      const test = await converted({ ...options, embedding: 32 }, type);
      const { sequences } = inputs(test);
      const batch = [...sequences, ...sequences.toReversed()];
      const alone = await outputs(
        test,
        { lowering, threads: 1 },
        sequences.map((ids) => [ids]),
      );
      for (const threads of THREADS[lowering]) {
        const together = await outputs(test, { lowering, threads }, [batch]);
        for (const [i, part] of together.entries()) {
          const k = i < sequences.length ? i : batch.length - 1 - i;
          expect(part.equals(alone[k]!), `sequence ${i}, ${threads} threads`).toBe(true);
        }
      }
    });
  },
);
