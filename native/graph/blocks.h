// The blocks the architectures share, in GGML's plain operations: they run on every device and weight type.
// Shapes are written innermost first, as GGML counts: [H, T] is T tokens of H values.
// H hidden, T tokens of the ragged batch, S tokens of one sequence, A heads, D = H / A, F feed-forward, V vocabulary.
#pragma once

#include <string>
#include <vector>

#include "engine/graph_runner.h"
#include "engine/ragged_batch.h"

namespace ggml_transformers {

struct Linear {
    ggml_tensor* weight = nullptr;  // [in, out]
    ggml_tensor* bias = nullptr;    // [out], or null
};

struct Norm {
    ggml_tensor* weight = nullptr;  // [H]
    ggml_tensor* bias = nullptr;    // [H]
    float epsilon = 0.0f;
};

// As Hugging Face names them: `Gelu` is x * Phi(x) by erf, `GeluTanh` its tanh approximation ("gelu_new").
// Hendrycks & Gimpel, "Gaussian Error Linear Units", arXiv:1606.08415.
enum class Activation { Gelu, GeluTanh, Relu, Silu, Tanh };

// Throws Error(Unsupported) naming what is unknown.
Activation activation_from_name(const std::string& name);

// Rows of `table` [H, n] for `indices` [T]: [H, T].
ggml_tensor* embed(GraphBuilder& builder, ggml_tensor* table, ggml_tensor* indices);

// W x + b: [in, T] -> [out, T].
ggml_tensor* linear(GraphBuilder& builder, const Linear& layer, ggml_tensor* x);

// Layer normalization over H. Ba, Kiros & Hinton, arXiv:1607.06450.
ggml_tensor* norm(GraphBuilder& builder, const Norm& layer, ggml_tensor* x);

// norm(x + residual).
ggml_tensor* add_norm(GraphBuilder& builder, const Norm& layer, ggml_tensor* x, ggml_tensor* residual);

ggml_tensor* activate(GraphBuilder& builder, Activation activation, ggml_tensor* x);

// down(activation(up(x))): [H, T] -> [F, T] -> [H, T].
ggml_tensor* feed_forward(GraphBuilder& builder, const Linear& up, Activation activation, const Linear& down,
                          ggml_tensor* x);

// Bidirectional multi-head attention, each sequence on its own. `q`, `k`, `v` are [H, T]; the result is [H, T]
// and takes the place of `q`, which must not be used afterwards. `scores`, when given, receives the attention
// maps of each group, [S, S, A, n] (keys, queries, heads, sequences).
// Vaswani et al., "Attention Is All You Need", arXiv:1706.03762.
ggml_tensor* attention(GraphBuilder& builder, const RaggedBatch& batch, ggml_tensor* q, ggml_tensor* k,
                       ggml_tensor* v, int64_t heads, float scale, std::vector<ggml_tensor*>* scores);

// Keys and values of one sequence's past, and its tokens in this batch.
struct CachedSequence {
    ggml_tensor* keys = nullptr;    // [H, capacity]
    ggml_tensor* values = nullptr;  // [capacity, H]: transposed, so that both products run along memory
    ggml_tensor* mask = nullptr;    // [K, n]: 0 where a query may look, -infinity elsewhere; K >= past + n
    int64_t first_token = 0;        // index into the T tokens
    int64_t count = 0;              // n, new tokens
    int64_t past = 0;               // tokens already in the cache
};

// Causal multi-head attention over each sequence's cache, to which its new keys and values are added first.
// `q`, `k`, `v` are [H, T] and may be strided rows; the result is [H, T] in the place of `q`.
ggml_tensor* cached_attention(GraphBuilder& builder, const std::vector<CachedSequence>& sequences,
                              ggml_tensor* q, ggml_tensor* k, ggml_tensor* v, int64_t heads, float scale);

}  // namespace ggml_transformers
