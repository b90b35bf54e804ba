// Products of F32 weights with F32 rows: tiles of 6 rows and two vectors of columns. `I` is as in
// gemm_quantized.h.
#pragma once

#include "kernels/epilogue.h"
#include "kernels/kernels.h"
#include "kernels/prefetch.h"
#include "kernels/unroll.h"

namespace ggml_transformers {

constexpr int64_t f32_fetch_step = 16;  // values along K between two fetches

template <class I, int rows>
void multiply_tile_f32(const UnitF32* unit, int64_t k, const float* x, int64_t x_stride, int64_t column,
                       Prefetch& prefetch, float* tile) {
    typename I::Floats total[rows][2];
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) total[r][0] = total[r][1] = I::floats(0.0f);
    for (int64_t i = 0; i < k; ++i, ++unit) {
        if (i % f32_fetch_step == 0) prefetch.some();
        const auto left = I::load_floats(unit->values + column);
        const auto right = I::load_floats(unit->values + column + I::columns);
        KERNEL_UNROLL
        for (int r = 0; r < rows; ++r) {
            const auto value = I::floats(x[r * x_stride + i]);
            total[r][0] = I::fma(value, left, total[r][0]);
            total[r][1] = I::fma(value, right, total[r][1]);
        }
    }
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) {
        I::store(tile + r * panel_columns + column, total[r][0]);
        I::store(tile + r * panel_columns + column + I::columns, total[r][1]);
    }
}

template <class I, class V>
void gemm_f32(const PackedWeights& weights, const Rows& rows, const Piece& piece, const Epilogue& epilogue) {
    using MultiplyTile = void (*)(const UnitF32*, int64_t, const float*, int64_t, int64_t, Prefetch&, float*);
    constexpr MultiplyTile multiply[] = {
        nullptr,
        multiply_tile_f32<I, 1>,
        multiply_tile_f32<I, 2>,
        multiply_tile_f32<I, 3>,
        multiply_tile_f32<I, 4>,
        multiply_tile_f32<I, 5>,
        multiply_tile_f32<I, 6>,
    };
    alignas(64) float tile[row_tile * panel_columns];
    const int64_t fetches =
        (weights.k + f32_fetch_step - 1) / f32_fetch_step * (panel_columns / (2 * I::columns));
    for (int64_t panel = piece.panel_begin; panel < piece.panel_end; ++panel) {
        const UnitF32* units = weights.panel<UnitF32>(panel);
        const int64_t first = panel * panel_columns;
        const int64_t columns = weights.n - first < panel_columns ? weights.n - first : panel_columns;
        // Tiles of equal size, or nearly so: a last one of a single row would waste the most.
        int64_t tiles = (piece.row_end - piece.row_begin + row_tile - 1) / row_tile;
        Prefetch prefetch;
        if (piece.ahead > 0 && piece.row_end - piece.row_begin >= few_rows)
            prefetch = prefetch_panel<UnitF32>(weights, panel + piece.ahead, tiles * fetches);
        for (int64_t row = piece.row_begin, count; row < piece.row_end; row += count, --tiles) {
            count = (piece.row_end - row + tiles - 1) / tiles;
            const float* x = rows.x + row * rows.x_stride;
            for (int64_t column = 0; column < panel_columns; column += 2 * I::columns)
                multiply[count](units, weights.k, x, rows.x_stride, column, prefetch, tile);
            finish_tile<V>(tile, count, row, first, columns, epilogue);
        }
    }
}

}  // namespace ggml_transformers
