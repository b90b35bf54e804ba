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
#include "engine/sparse_pooling.h"
#include "engine/weight_memory.h"
#include "graph/blocks.h"
#include "graph/row_store.h"
#include "kernels/kernels.h"

namespace ggml_transformers {

class FusedCpu {
 public:
    // `profile` is null unless operations are to be measured.
    FusedCpu(int threads, Profile* profile);

    // Before each run of a graph.
    void begin();

    const char* isa() const { return kernels_.isa; }

    // The products of `layers` (up to three, all of the same input width) with x [K, T], one below the other:
    // [sum of outputs, T], each with its bias, then the activation, then multiplied by `gate`, then
    // `residual` added; these are as large as the products, or null.
    ggml_tensor* linear(GraphBuilder& builder, const std::vector<Linear>& layers, ggml_tensor* x,
                        FusedActivation activation, ggml_tensor* residual, ggml_tensor* gate = nullptr);

    // norm(x + residual); `residual` may be null.
    ggml_tensor* add_norm(GraphBuilder& builder, const Norm& layer, ggml_tensor* x, ggml_tensor* residual);

    // Sum of the tables' rows for each token: [H, T].
    ggml_tensor* embed_sum(GraphBuilder& builder, const std::vector<Lookup>& lookups);

    // The mean of each sequence's rows: [H, B], one for each of `sequences`.
    ggml_tensor* mean_rows(GraphBuilder& builder, const RaggedBatch& batch, ggml_tensor* sequences,
                           ggml_tensor* x);

    // Whether attention over heads of that many values is covered.
    static bool covers_head(int64_t head) { return head % 16 == 0; }

    // Bidirectional attention: [H, T]; of `extras`, `reach` and `distances` count. `batch`, and `sequences`
    // below, are read when the graph runs.
    ggml_tensor* attention(GraphBuilder& builder, const RaggedBatch& batch, const Qkv& qkv, int64_t heads,
                           float scale, const AttentionExtras& extras);

    // Causal attention over the caches, to which the new keys and values are added first: [H, T]. `qkv` is
    // joint.
    ggml_tensor* cached_attention(GraphBuilder& builder, const CachedLayer& cached, const Qkv& qkv,
                                  int64_t heads, float scale);

    // What a rotation turns the tokens of a graph by: [R, T], cosines, then sines.
    ggml_tensor* turns(GraphBuilder& builder, const Rotation& rotation);

    // Joint queries, keys and values with the former two rotated: [H + 2G, T].
    ggml_tensor* rotate(GraphBuilder& builder, const Qkv& qkv, const Rotation& rotation);

    // For each sequence, the weights of the layer's outputs from the logits of its tokens, `x` [H, T]: [V,
    // B]. `sequences` has as many values as the batch has sequences.
    ggml_tensor* vocabulary_weights(GraphBuilder& builder, const Linear& layer, const SparsePooling& pooling,
                                    const RaggedBatch& batch, ggml_tensor* sequences, ggml_tensor* x);

    // Bytes of packed weights, and of working memory.
    uint64_t packed_bytes() const { return weight_memory_.bytes(); }
    uint64_t scratch_bytes() const;
    // Gives the working memory back.
    void release();

 private:
    // One layer's part of a linear operation.
    struct Product {
        const ggml_tensor* weight = nullptr;
        Epilogue epilogue;
    };
    static constexpr size_t most_products = 3;

    // Logits are computed from these a tile at a time.
    struct LogitTiles {
        Linear layer;
        int64_t k = 0;
        // Where the kernels know the weights' type, else null and GGML's rows.
        const PackedWeights* packed = nullptr;
        Rows rows;
        const uint8_t* converted = nullptr;
        size_t row_bytes = 0;
    };

    // Whether the kernels know the weights' type, and the form their rows have then.
    static bool has_kernel(const ggml_tensor* weight);
    static RowForm row_form(const ggml_tensor* weight);
    // The weight as its kernel reads it.
    const PackedWeights& packed(const ggml_tensor* weight);
    // Row `index` as floats, perhaps in `scratch`.
    const float* table_row(const ggml_tensor* table, int64_t index, float* scratch) const;
    // Queries, keys or values of all heads, [H, T]: rows `stride` floats apart.
    struct HeadRows {
        const float* at = nullptr;
        int64_t stride = 0;
    };
    // What the heads of one attention have in common.
    struct HeadAttention {
        int64_t heads = 0;
        float scale = 1.0f;
        int64_t reach = -1;
        DistanceBias distances;
    };
    void compute_attention(const RaggedBatch& batch, const HeadRows (&qkv)[3], const HeadAttention& common,
                           ggml_tensor* out);
    // The biases of all heads and distances of up to `padded` positions, [A][2 padded], distance 0 in the
    // middle; null where there are none.
    const float* distance_rows(const DistanceBias& distances, int64_t padded);
    // A layer over caches; several heads of queries may share keys and values.
    struct CachedHeads {
        int64_t layer = 0;
        int64_t reach = -1;
        int64_t heads = 0;
        int64_t kv_heads = 0;
        float scale = 1.0f;
    };
    void compute_cached_attention(const std::vector<CachedSequence>& sequences, const CachedHeads& heads,
                                  const ggml_tensor* qkv, ggml_tensor* out);
    void compute_linear(const std::vector<Linear>& layers, const ggml_tensor* x, FusedActivation activation,
                        const ggml_tensor* residual, const ggml_tensor* gate, ggml_tensor* out);
    void compute_vocabulary_weights(const Linear& layer, const SparsePooling& pooling,
                                    const RaggedBatch& batch, const ggml_tensor* x, ggml_tensor* out);
    LogitTiles logit_tiles(const Linear& layer, const ggml_tensor* x);
    void compute_logits(const LogitTiles& logits, int64_t first, int64_t rows, int64_t column,
                        int64_t columns, float* tile) const;
    // Products of x with packed weights, all at once.
    void multiply(const ggml_tensor* x, const Product* products, size_t count);
    // `same_rows`: the product before has left x in the form this one wants.
    void multiply_by_dots(const ggml_tensor* x, const Product& product, bool same_rows);
    // The rows of x in that form, made here unless an operation has left them.
    Rows rows_of(const ggml_tensor* x, RowForm form);
    // Where an operation leaves its result in the whole numbers that are wanted of it, if they are.
    struct Wanted {
        ByteRow bytes;
        WordRow words;
        bool floats = true;
        bool rows() const { return bytes.q != nullptr || words.q != nullptr; }
    };
    // `reads`: what the operation reads, if that may lie in a store.
    Wanted wanted_of(const ggml_tensor* out, const ggml_tensor* reads);
    RowStore& next_store(const ggml_tensor* reads);
    void quantize_row(const float* x, int64_t row, int64_t k, const Wanted& to) const;
    // One head's attention of some rows; its result goes where `part` says. `scratch`: head_scratch() floats.
    void attend(AttentionTask task, const RowPart& part, const Wanted& to, float* scratch) const;
    const uint8_t* converted_rows(const ggml_tensor* x, ggml_type type, bool ready);
    void reserve_thread_scratch(int64_t values);
    float* thread_scratch(int thread);

    ComputePool pool_;
    const Kernels& kernels_;
    Profile* profile_;
    std::unordered_map<const void*, PackedWeights> packed_;  // by the weight's address
    WeightMemory weight_memory_;
    // An operation may read its activations from one and leave its result in the other.
    RowStore stores_[2];
    size_t last_store_ = 0;
    AlignedBuffer converted_;                    // activations for GGML's dot products
    AlignedBuffer distance_rows_;                // biases of attention
    std::vector<AlignedBuffer> thread_scratch_;  // [threads]
};

}  // namespace ggml_transformers
