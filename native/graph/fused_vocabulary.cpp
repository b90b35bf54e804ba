// The weights of the vocabulary's tokens for each sequence (engine/sparse_pooling.h): the products are taken
// up as they are made, some columns and some tokens at a time, so that the logits of all never exist at once.
#include <algorithm>
#include <cstring>

#include "graph/fused.h"
#include "graph/fused_rows.h"

namespace ggml_transformers {

namespace {

constexpr int64_t tile_rows = 128, tile_panels = 4;
constexpr int64_t tile_columns = tile_panels * panel_columns;

// The rows from `first` on, of `k` values each.
Rows rows_from(const Rows& rows, int64_t first, int64_t k) {
    const int64_t blocks = first * (k / quant_block);
    Rows rest = rows;
    if (rows.x != nullptr) rest.x += first * rows.x_stride;
    if (rows.bytes != nullptr) rest.bytes += first * k;
    if (rows.blocks != nullptr) rest.blocks += blocks;
    if (rows.words != nullptr) rest.words += first * k;
    if (rows.scales != nullptr) rest.scales += blocks;
    return rest;
}

// The columns of the panels from `first` on.
PackedWeights panels_from(const PackedWeights& weights, int64_t first) {
    const auto* data = static_cast<const uint8_t*>(weights.data);
    return {weights.format, weights.k, weights.n - first * panel_columns,
            data + first * weights.panel_bytes()};
}

}  // namespace

ggml_tensor* FusedCpu::vocabulary_weights(GraphBuilder& builder, const Linear& layer,
                                          const SparsePooling& pooling, const RaggedBatch& batch,
                                          ggml_tensor* sequences, ggml_tensor* x) {
    want_rows(x, row_form(layer.weight));
    return builder.custom(
        layer.weight->ne[1], sequences->ne[0], {sequences, x},
        [=, &batch](ggml_tensor* out) { compute_vocabulary_weights(layer, pooling, batch, x, out); },
        [=](const ggml_tensor*) {
            return Arithmetic::product(layer.weight->type, x->ne[1], x->ne[0], layer.weight->ne[1]);
        });
}

void FusedCpu::compute_vocabulary_weights(const Linear& layer, const SparsePooling& pooling,
                                          const RaggedBatch& batch, const ggml_tensor* x, ggml_tensor* out) {
    const int64_t vocabulary = layer.weight->ne[1], tokens = batch.tokens();
    const LogitTiles logits = logit_tiles(layer, x);
    reserve_thread_scratch(tile_rows * tile_columns);
    pool_.parallel(ceil_div(vocabulary, tile_columns), [&](int64_t piece, int thread) {
        float* tile = thread_scratch(thread);
        const int64_t column = piece * tile_columns, columns = std::min(tile_columns, vocabulary - column);
        const auto weights = [&](int64_t sequence) {
            return static_cast<float*>(out->data) + sequence * vocabulary + column;
        };
        for (int64_t s = 0; s < batch.sequences(); ++s) std::fill_n(weights(s), columns, 0.0f);
        int64_t sequence = 0;
        for (int64_t first = 0; first < tokens; first += tile_rows) {
            const int64_t rows = std::min(tile_rows, tokens - first);
            compute_logits(logits, first, rows, column, columns, tile);
            for (int64_t r = 0; r < rows; ++r) {
                while (first + r == batch.offset(sequence + 1)) ++sequence;
                add_logits(pooling, tile + r * tile_columns, columns, weights(sequence));
            }
        }
        for (int64_t s = 0; s < batch.sequences(); ++s) finish_weights(pooling, columns, weights(s));
    });
}

FusedCpu::LogitTiles FusedCpu::logit_tiles(const Linear& layer, const ggml_tensor* x) {
    LogitTiles tiles;
    tiles.layer = layer;
    tiles.k = x->ne[0];
    if (has_kernel(layer.weight)) {
        tiles.packed = &packed(layer.weight);
        tiles.rows = rows_of(x, row_form(layer.weight));
    } else {
        const ggml_type type = ggml_get_type_traits_cpu(layer.weight->type)->vec_dot_type;
        tiles.converted = converted_rows(x, type, false);
        tiles.row_bytes = ggml_row_size(type, x->ne[0]);
    }
    return tiles;
}

// Rows from `first` on times columns from `column` on, which is the first of a panel, into `tile`.
void FusedCpu::compute_logits(const LogitTiles& logits, int64_t first, int64_t rows, int64_t column,
                              int64_t columns, float* tile) const {
    Epilogue epilogue;
    if (logits.layer.bias != nullptr) epilogue.bias = floats(logits.layer.bias) + column;
    if (logits.packed != nullptr) {
        epilogue.out = tile;
        epilogue.out_stride = tile_columns;
        const Gemm gemm = kernels_.gemm[static_cast<int>(logits.packed->format)];
        gemm(panels_from(*logits.packed, column / panel_columns), rows_from(logits.rows, first, logits.k),
             {0, rows, 0, ceil_div(columns, panel_columns), 0}, epilogue);
        return;
    }
    const ggml_tensor* w = logits.layer.weight;
    const ggml_type_traits_cpu* traits = ggml_get_type_traits_cpu(w->type);
    for (int64_t r = 0; r < rows; ++r) {
        const uint8_t* row = logits.converted + static_cast<size_t>(first + r) * logits.row_bytes;
        float* out = tile + r * tile_columns;
        for (int64_t c = 0; c < columns; ++c) {
            traits->vec_dot(static_cast<int>(logits.k), out + c, 0,
                            static_cast<const uint8_t*>(w->data) + static_cast<size_t>(column + c) * w->nb[1],
                            0, row, 0, 1);
        }
        kernels_.finish_row(out, columns, epilogue);
    }
}

}  // namespace ggml_transformers
