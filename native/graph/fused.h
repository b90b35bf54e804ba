// The fused CPU lowering of the blocks: each is one custom operation of the graph, split over the model's own
// threads, on weights packed for the kernels.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "engine/aligned_buffer.h"
#include "engine/compute_pool.h"
#include "engine/graph_builder.h"
#include "engine/ragged_batch.h"
#include "graph/blocks.h"
#include "kernels/kernels.h"

namespace ggml_transformers {

class FusedCpu {
 public:
    // `profile` is null unless operations are to be measured.
    FusedCpu(int threads, Profile* profile);

    const char* isa() const { return kernels_.isa; }

    // The products of `layers` (up to three, all of the same input width) with x [K, T], one below the other:
    // [sum of outputs, T], each with its bias, then the activation, then `residual` added.
    ggml_tensor* linear(GraphBuilder& builder, const std::vector<Linear>& layers, ggml_tensor* x,
                        FusedActivation activation, ggml_tensor* residual);

    // norm(x + residual); `residual` may be null.
    ggml_tensor* add_norm(GraphBuilder& builder, const Norm& layer, ggml_tensor* x, ggml_tensor* residual);

    // Sum of the tables' rows for each token: [H, T].
    ggml_tensor* embed_sum(GraphBuilder& builder, const std::vector<Lookup>& lookups);

    // Whether attention over heads of that many values is covered.
    static bool covers_head(int64_t head) { return head % 16 == 0; }

    // Bidirectional attention over qkv [3H, T]: [H, T]. `batch`, and `sequences` below, are read when the
    // graph runs.
    ggml_tensor* attention(GraphBuilder& builder, const RaggedBatch& batch, ggml_tensor* qkv, int64_t heads,
                           float scale);

    // Causal attention over the caches, to which the new keys and values are added first: [H, T].
    ggml_tensor* cached_attention(GraphBuilder& builder, const std::vector<CachedSequence>& sequences,
                                  int64_t layer, ggml_tensor* qkv, int64_t heads, float scale);

    // Bytes of packed weights, and of working memory.
    uint64_t packed_bytes() const { return packed_bytes_; }
    uint64_t scratch_bytes() const;
    // Gives the working memory back.
    void release();

 private:
    // A weight as its kernel reads it.
    struct Packed {
        AlignedBuffer memory;
        PackedWeights weights;
    };
    struct Product;  // one layer's part of a linear operation

    const Packed& packed(const ggml_tensor* weight);
    // Row `index` as floats, perhaps in `scratch`.
    const float* table_row(const ggml_tensor* table, int64_t index, float* scratch) const;
    void compute_attention(const RaggedBatch& batch, const ggml_tensor* qkv, int64_t heads, float scale,
                           ggml_tensor* out);
    void compute_cached_attention(const std::vector<CachedSequence>& sequences, int64_t layer,
                                  const ggml_tensor* qkv, int64_t heads, float scale, ggml_tensor* out);
    void compute_linear(const std::vector<Linear>& layers, const ggml_tensor* x, FusedActivation activation,
                        const ggml_tensor* residual, ggml_tensor* out);
    // `same_rows`: the previous product has left the activations in the form this one wants.
    void multiply(const Product& product, bool same_rows);
    void multiply_by_dots(const Product& product, bool same_rows);
    // The rows of x in that form; `ready`: already there.
    Rows rows_of(const ggml_tensor* x, RowForm form, bool ready);
    Rows byte_rows(const ggml_tensor* x, bool ready);
    Rows word_rows(const ggml_tensor* x, bool ready);
    // Calls work(t) for every row, split over the threads.
    template <class Work>
    void for_each_row(const ggml_tensor* x, Work work);
    const uint8_t* converted_rows(const ggml_tensor* x, ggml_type type, bool ready);
    void reserve_thread_scratch(int64_t values);
    float* thread_scratch(int thread);

    ComputePool pool_;
    const Kernels& kernels_;
    Profile* profile_;
    std::unordered_map<const void*, Packed> packed_;  // by the weight's address
    uint64_t packed_bytes_ = 0;
    AlignedBuffer rows_;                         // activations in the form the product wants
    std::vector<AlignedBuffer> thread_scratch_;  // [threads]
};

}  // namespace ggml_transformers
