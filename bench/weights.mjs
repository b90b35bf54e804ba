// The shapes of real models, and random weights for them: every tensor's values follow from its name alone, so that
// the same weights can be written in any format and type.

export const SHAPES = {
  "minilm-l6": { architecture: "bert", L: 6, H: 384, A: 12, F: 1536, V: 30522, context: 512 },
  "bert-base": { architecture: "bert", L: 12, H: 768, A: 12, F: 3072, V: 30522, context: 512 },
  "bert-large": { architecture: "bert", L: 24, H: 1024, A: 16, F: 4096, V: 30522, context: 512 },
  gpt2: { architecture: "gpt2", L: 12, H: 768, A: 12, F: 3072, V: 50257, context: 1024 },
  "gpt2-medium": { architecture: "gpt2", L: 24, H: 1024, A: 16, F: 4096, V: 50257, context: 1024 },
  "gpt2-large": { architecture: "gpt2", L: 36, H: 1280, A: 20, F: 5120, V: 50257, context: 1024 },
  "gpt2-xl": { architecture: "gpt2", L: 48, H: 1600, A: 25, F: 6400, V: 50257, context: 1024 },
};

/** Multiplications and additions of the blocks' matrix products for one sequence of S tokens. */
export function operations({ L, H, F }, S) {
  return 2 * L * S * (4 * H * H + 2 * H * F + 2 * S * H);
}

/** The tensors of a model under llama.cpp's names: `shape` is innermost first, matrices are [in, out]. */
export function modelTensors(shape) {
  return shape.architecture === "bert" ? bertTensors(shape) : gpt2Tensors(shape);
}

function bertTensors({ L, H, F, V, context }) {
  const tensors = [
    matrix("token_embd", H, V),
    { ...matrix("position_embd", H, context), keep: true },
    { ...matrix("token_types", H, 2), keep: true },
    ...norm("token_embd_norm", H),
  ];
  for (let i = 0; i < L; i++) {
    for (const part of ["q", "k", "v"]) tensors.push(...linear(`blk.${i}.attn_${part}`, H, H));
    tensors.push(...linear(`blk.${i}.attn_output`, H, H), ...norm(`blk.${i}.attn_output_norm`, H));
    tensors.push(...linear(`blk.${i}.ffn_up`, H, F), ...linear(`blk.${i}.ffn_down`, F, H));
    tensors.push(...norm(`blk.${i}.layer_output_norm`, H));
  }
  return tensors;
}

function gpt2Tensors({ L, H, F, V, context }) {
  const tensors = [matrix("token_embd", H, V), { ...matrix("position_embd", H, context), keep: true }];
  for (let i = 0; i < L; i++) {
    tensors.push(...norm(`blk.${i}.attn_norm`, H), ...linear(`blk.${i}.attn_qkv`, H, 3 * H));
    tensors.push(...linear(`blk.${i}.attn_output`, H, H), ...norm(`blk.${i}.ffn_norm`, H));
    tensors.push(...linear(`blk.${i}.ffn_up`, H, F), ...linear(`blk.${i}.ffn_down`, F, H));
  }
  return [...tensors, ...norm("output_norm", H)];
}

// Spreads that keep attention and feed-forward parts of the size a trained model's have: the outputs of both are
// about as large as the residual they are added to. `keep`: stays F32 whatever the type of the model.
const matrix = (name, width, rows) => ({
  name: `${name}.weight`,
  shape: [width, rows],
  mean: 0,
  deviation: 0.05,
});
const vector = (name, size, mean, deviation) => ({ name, shape: [size], mean, deviation, keep: true });
const linear = (name, width, rows) => [matrix(name, width, rows), vector(`${name}.bias`, rows, 0, 0.05)];
const norm = (name, size) => [vector(`${name}.weight`, size, 1, 0.1), vector(`${name}.bias`, size, 0, 0.05)];

/** The values of a tensor in slices of whole rows, some megabytes each. */
export function* tensorSlices({ name, shape, mean, deviation }) {
  const normal = gaussian(hash(name));
  const [width, rows = 1] = shape;
  const step = Math.max(1, Math.floor(2 ** 20 / width));
  for (let row = 0; row < rows; row += step) {
    const values = new Float32Array(width * Math.min(step, rows - row));
    for (let i = 0; i < values.length; i++) values[i] = mean + deviation * normal();
    yield values;
  }
}

/** All values of a tensor at once. */
export function tensorValues(tensor) {
  const values = new Float32Array(tensor.shape.reduce((a, b) => a * b));
  let at = 0;
  for (const slice of tensorSlices(tensor)) {
    values.set(slice, at);
    at += slice.length;
  }
  return values;
}

/** FNV-1a. */
function hash(text) {
  let value = 0x811c9dc5;
  for (const character of text) value = Math.imul(value ^ character.charCodeAt(0), 0x01000193);
  return value >>> 0;
}

/** A seeded generator of numbers in [0, 1): mulberry32. */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Roughly normal numbers: the sum of four uniform ones, scaled. */
function gaussian(seed) {
  const next = random(seed);
  const scale = Math.sqrt(3);
  return () => (next() + next() + next() + next() - 2) * scale;
}
