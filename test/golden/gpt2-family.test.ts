/** Configurations of GPT-2's relatives as they are published, on random checkpoints of a smaller size. */
import { join } from "node:path";
import { describe, it } from "vitest";
import type { ReferenceActivation } from "../reference/arithmetic.js";
import { gpt2Logits } from "../reference/gpt2.js";
import { writeRandomGpt2, type RandomGpt2Options } from "../support/random-models.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { gpt2Weights } from "./checkpoints.js";
import { expectReferenceLogits, itRefuses } from "./decoder-suite.js";

const folder = temporaryFolder();
const SEED = 97;
const V = 320;
let models = 0;

function write(options: RandomGpt2Options = {}) {
  const dir = join(folder, `gpt2-${++models}`);
  return writeRandomGpt2(dir, { seed: SEED, vocabSize: V, hidden: 48, heads: 3, positions: 64, ...options });
}

const DISTILGPT2 = {
  _num_labels: 1,
  attn_pdrop: 0.1,
  embd_pdrop: 0.1,
  id2label: { "0": "LABEL_0" },
  initializer_range: 0.02,
  label2id: { LABEL_0: 0 },
  resid_pdrop: 0.1,
  summary_activation: null,
  summary_first_dropout: 0.1,
  summary_proj_to_labels: true,
  summary_type: "cls_index",
  summary_use_proj: true,
  task_specific_params: { "text-generation": { do_sample: true, max_length: 50 } },
};
const DIALOGPT = { ...DISTILGPT2, task_specific_params: { conversational: { max_length: 1000 } } };
const CEREBRAS_GPT = {
  activation_function: "gelu",
  n_inner: 100,
  reorder_and_upcast_attn: false,
  scale_attn_by_inverse_layer_idx: false,
  scale_attn_weights: true,
  use_cache: true,
};

describe(`relatives of GPT-2 (seed ${SEED})`, () => {
  it.each([
    ["distilgpt2", { config: DISTILGPT2 }],
    ["DialoGPT", { config: DIALOGPT }],
    ["Cerebras-GPT", { config: CEREBRAS_GPT, architecture: "GPT2Model", intermediate: 100 }],
    [
      "scores scaled by the layer and not by the heads' size, as Megatron's",
      {
        config: {
          scale_attn_by_inverse_layer_idx: true,
          scale_attn_weights: false,
          reorder_and_upcast_attn: true,
        },
      },
    ],
  ] satisfies [string, RandomGpt2Options][])("%s: gives the reference's logits", async (_, options) => {
    const model = await write(options);
    const weights = gpt2Weights(model.dir);
    const { config } = model;
    const settings = {
      H: 48,
      A: 3,
      L: 2,
      epsilon: 1e-5,
      activation: config["activation_function"] as ReferenceActivation,
      scaleAttention: (config["scale_attn_weights"] as boolean | undefined) ?? true,
      scaleAttentionByInverseLayer:
        (config["scale_attn_by_inverse_layer_idx"] as boolean | undefined) ?? false,
    };
    await expectReferenceLogits({
      model,
      seed: SEED,
      architecture: "gpt2",
      lengths: [1, 30],
      continued: 40,
      V,
      reference: (ids) => gpt2Logits(weights, settings, ids),
    });
  });

  itRefuses(
    (options) => write(options),
    [
      ["mup_embeddings_scale", 10, "UNSUPPORTED"],
      ["mup_output_alpha", 2.2, "UNSUPPORTED"],
      ["mup_scale_qk_dot_by_d", true, "UNSUPPORTED"],
      ["position_embedding_type", "alibi", "UNSUPPORTED"],
      ["activation_function", "swiglu", "UNSUPPORTED"],
    ],
  );
});
