// The blocks the architectures share. Each lowers in one of two ways: to GGML's plain operations, which run
// on every device and weight type, or, where the builder has it, to the fused operations of the CPU
// (fused.h). Shapes are written innermost first, as GGML counts: [H, T] is T tokens of H values. H hidden, T
// tokens of the ragged batch, S tokens of one sequence, A heads, D = H / A, F feed-forward, V vocabulary.
#pragma once

#include <string>
#include <vector>

#include "engine/graph_builder.h"
#include "engine/kv_cache.h"
#include "engine/ragged_batch.h"

namespace ggml_transformers {

struct Linear {
    ggml_tensor* weight = nullptr;  // [in, out]
    ggml_tensor* bias = nullptr;    // [out], or null
};

struct Norm {
    ggml_tensor* weight = nullptr;  // [H]
    ggml_tensor* bias = nullptr;    // [H], or null
    float epsilon = 0.0f;
};

// As Hugging Face names them: `Gelu` is x * Phi(x) by erf, `GeluTanh` its tanh approximation ("gelu_new").
// Hendrycks & Gimpel, "Gaussian Error Linear Units", arXiv:1606.08415.
enum class Activation { Gelu, GeluTanh, Relu, Silu, Tanh };

// Throws Error(Unsupported) naming what is unknown.
Activation activation_from_name(const std::string& name);

// Rows `indices` [T] of `table` [H, n].
struct Lookup {
    ggml_tensor* table = nullptr;
    ggml_tensor* indices = nullptr;
};

// The rows of one table: [H, T].
ggml_tensor* embed(GraphBuilder& builder, const Lookup& lookup);

// The sum of several tables' rows: [H, T].
ggml_tensor* embed_sum(GraphBuilder& builder, const std::vector<Lookup>& lookups);

// The mean of each sequence's rows: [H, T] -> [H, B]. `sequences` has as many values as there are sequences;
// `batch` must stay where it is.
ggml_tensor* mean_rows(GraphBuilder& builder, const RaggedBatch& batch, ggml_tensor* sequences,
                       ggml_tensor* x);

// W x + b: [in, T] -> [out, T].
ggml_tensor* linear(GraphBuilder& builder, const Linear& layer, ggml_tensor* x);

// activation(W x + b): [in, T] -> [out, T].
ggml_tensor* linear(GraphBuilder& builder, const Linear& layer, Activation activation, ggml_tensor* x);

// W x + b + residual: [in, T] -> [out, T].
ggml_tensor* linear_add(GraphBuilder& builder, const Linear& layer, ggml_tensor* x, ggml_tensor* residual);

// activation(W1 x) * (W2 x), with W1 the first half of the layer's outputs and W2 the second, no bias:
// [in, T] -> [out / 2, T]. Shazeer, "GLU Variants Improve Transformer", arXiv:2002.05202.
ggml_tensor* gated_linear(GraphBuilder& builder, const Linear& layer, Activation activation, ggml_tensor* x);

// Layer normalization over H. Ba, Kiros & Hinton, arXiv:1607.06450.
ggml_tensor* norm(GraphBuilder& builder, const Norm& layer, ggml_tensor* x);

// norm(x + residual).
ggml_tensor* add_norm(GraphBuilder& builder, const Norm& layer, ggml_tensor* x, ggml_tensor* residual);

// The three projections of attention, as the file has them: fused [H, 3H] or apart, three of [H, H]. Where
// heads of queries share keys and values (Shazeer, "Fast Transformer Decoding", arXiv:1911.02150), those have
// G values a token instead of H: [H, H + 2G], or [H, H] and two of [H, G].
struct Projections {
    Linear fused;
    Linear query, key, value;
};

// Queries [H, T], keys and values [G, T] of all heads: `joint` [H + 2G, T], or the three apart (rows may be
// strided). The first heads of queries share the first one of keys, and so on.
struct Qkv {
    ggml_tensor* joint = nullptr;
    ggml_tensor* q = nullptr;
    ggml_tensor* k = nullptr;
    ggml_tensor* v = nullptr;
};

Qkv project(GraphBuilder& builder, const Projections& projections, ggml_tensor* x);

// Turns each pair of values R / 2 apart, of the first R of every head, by an angle that grows with the
// token's position and falls with the pair's number. Su et al., "RoFormer", arXiv:2104.09864.
struct Rotation {
    ggml_tensor* positions = nullptr;  // [T]
    int64_t head = 0;                  // D
    int64_t values = 0;                // R, even, at most D
    float base = 0.0f;                 // pair i of R / 2 turns by position / base^(2 i / R)
    ggml_tensor* turns = nullptr;      // [R, T]: cosines, then sines, for the fused operation
};

// What all layers of a graph share of a rotation with that base.
Rotation make_rotation(GraphBuilder& builder, ggml_tensor* positions, int64_t head, int64_t values,
                       float base);

// The same with queries and keys rotated; by plain operations they are no longer joint.
Qkv rotate(GraphBuilder& builder, const Qkv& qkv, const Rotation& rotation);

// Whether attention over heads of that many values is one fused operation, which reads the batch when it
// runs. Otherwise the graph holds for one batch alone.
bool attention_is_fused(const GraphBuilder& builder, int64_t head);

// A bias of attention scores for each head and distance from query to key, many distances to a bucket.
// Raffel et al., arXiv:1910.10683.
struct DistanceBias {
    ggml_tensor* table = nullptr;  // [A, buckets]; null for none
    // Buckets of the distances -n … n; those beyond are in the first or the last one. Must stay where it is.
    const std::vector<int32_t>* buckets = nullptr;

    int32_t bucket(int64_t query, int64_t key) const;
};

struct AttentionExtras {
    // Added to the scaled scores of each group before the softmax, [S, S, A] or, for all heads, [S, S] (keys,
    // queries, heads); null for nothing. Empty for nothing at all.
    std::vector<ggml_tensor*> biases;
    // Not negative: a token sees only those that far from it, to either side. Plain operations want that as
    // biases, and the biases of distances as well.
    int64_t reach = -1;
    DistanceBias distances;
    // Receives the attention maps of each group, [S, S, A, n] (keys, queries, heads, sequences), or null.
    std::vector<ggml_tensor*>* scores = nullptr;
};

// The biases of distances as plain operations want them: [S, S, A] for each group.
std::vector<ggml_tensor*> distance_biases(GraphBuilder& builder, const RaggedBatch& batch,
                                          const DistanceBias& distances);

// Plain operations hold the scores of all pairs of a text's tokens, and the biases twice. Throws
// Error(OutOfMemory) when the batch needs more than there is, before anything is allocated. `bias_heads`: A,
// or 1 when all heads share a bias.
void require_score_memory(const GraphBuilder& builder, const RaggedBatch& batch, int64_t heads,
                          int64_t bias_heads);

// Bidirectional multi-head attention, each sequence on its own: [H, T]. `qkv` must not be used afterwards;
// `batch` must stay where it is. With biases, scores or shared keys it is plain operations.
// Vaswani et al., "Attention Is All You Need", arXiv:1706.03762.
ggml_tensor* attention(GraphBuilder& builder, const RaggedBatch& batch, const Qkv& qkv, int64_t heads,
                       float scale, const AttentionExtras& extras);

// One sequence's keys and values, and its tokens in this batch. Plain operations keep the values transposed,
// so that both products run along memory; the fused one keeps them head by head, the keys in its kernels'
// groups.
struct CachedSequence {
    KvCache* cache = nullptr;
    int64_t first_token = 0;  // index into the T tokens
    int64_t count = 0;        // n, new tokens
    int64_t past = 0;         // tokens already in the cache
};

// All sequences of a batch, at one layer.
struct CachedLayer {
    const std::vector<CachedSequence>& sequences;  // must stay where it is
    // For plain operations, one for each sequence, [K, n]: 0 where a query may look, -infinity elsewhere;
    // K >= past + n.
    const std::vector<ggml_tensor*>& masks;
    int64_t layer = 0;
    // Not negative: a token sees only itself and that many before it. The masks say so as well.
    int64_t reach = -1;
};

// Causal multi-head attention over each sequence's cache, to which its new keys and values are added first:
// [H, T].
ggml_tensor* cached_attention(GraphBuilder& builder, const CachedLayer& cached, const Qkv& qkv, int64_t heads,
                              float scale);

}  // namespace ggml_transformers
