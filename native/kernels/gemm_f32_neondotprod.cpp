// F32 weights times F32 activations: tiles of up to 8 rows and 8 columns.
#include <arm_neon.h>

#include "kernels/gemm_neon.h"
#include "kernels/tables.h"
#include "kernels/unroll.h"

namespace ggml_transformers::neon {

namespace {

constexpr int64_t rows_together = 8;

// Adds the products with one position of K, which stands in lane `step` of the activations.
template <int step, int rows, int fours>
inline void multiply_step(const float* weights, const float32x4_t (&x)[rows],
                          float32x4_t (&total)[rows][fours]) {
    float32x4_t four[fours];
    KERNEL_UNROLL
    for (int c = 0; c < fours; ++c) four[c] = vld1q_f32(weights + step * panel_columns + c * 4);
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) KERNEL_UNROLL
    for (int c = 0; c < fours; ++c) total[r][c] = vfmaq_laneq_f32(total[r][c], four[c], x[r], step);
}

template <int rows, int fours>
inline void multiply_columns(const float* panel, int64_t k, const float* x, int64_t x_stride, float* tile) {
    float32x4_t total[rows][fours];
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) KERNEL_UNROLL
    for (int c = 0; c < fours; ++c) total[r][c] = vdupq_n_f32(0.0f);
    int64_t i = 0;
    for (; i + 4 <= k; i += 4, panel += 4 * panel_columns) {
        float32x4_t values[rows];
        KERNEL_UNROLL
        for (int r = 0; r < rows; ++r) values[r] = vld1q_f32(x + r * x_stride + i);
        multiply_step<0>(panel, values, total);
        multiply_step<1>(panel, values, total);
        multiply_step<2>(panel, values, total);
        multiply_step<3>(panel, values, total);
    }
    for (; i < k; ++i, panel += panel_columns) {
        float32x4_t values[rows];
        KERNEL_UNROLL
        for (int r = 0; r < rows; ++r) values[r] = vdupq_n_f32(x[r * x_stride + i]);
        multiply_step<0>(panel, values, total);
    }
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) KERNEL_UNROLL
    for (int c = 0; c < fours; ++c) vst1q_f32(tile + r * panel_columns + c * 4, total[r][c]);
}

// The products of `rows` rows with one panel, [rows][32]. The fewer the rows, the more columns go side by
// side.
template <int rows>
void multiply_tile(const float* panel, int64_t k, const float* x, int64_t x_stride, float* tile) {
    constexpr int fours = rows <= 2 ? 8 : rows <= 4 ? 4 : 2;
    for (int64_t column = 0; column < panel_columns; column += fours * 4)
        multiply_columns<rows, fours>(panel + column, k, x, x_stride, tile + column);
}

using MultiplyTile = void (*)(const float*, int64_t, const float*, int64_t, float*);
constexpr MultiplyTile multiply_tiles[] = {
    nullptr,          multiply_tile<1>, multiply_tile<2>, multiply_tile<3>, multiply_tile<4>,
    multiply_tile<5>, multiply_tile<6>, multiply_tile<7>, multiply_tile<8>,
};

}  // namespace

void gemm_f32(const PackedWeights& weights, const Rows& rows, const Piece& piece, const Epilogue& epilogue) {
    alignas(64) float tile[rows_together * panel_columns];
    for (int64_t panel = piece.panel_begin; panel < piece.panel_end; ++panel) {
        const float* data = static_cast<const float*>(weights.data) + panel * weights.k * panel_columns;
        const int64_t first = panel * panel_columns;
        const int64_t columns = weights.n - first < panel_columns ? weights.n - first : panel_columns;
        // Tiles of equal size, or nearly so: a last one of a single row would waste the most.
        int64_t tiles = (piece.row_end - piece.row_begin + rows_together - 1) / rows_together;
        for (int64_t row = piece.row_begin, count; row < piece.row_end; row += count, --tiles) {
            count = (piece.row_end - row + tiles - 1) / tiles;
            multiply_tiles[count](data, weights.k, rows.x + row * rows.x_stride, rows.x_stride, tile);
            finish_products(tile, count, row, first, columns, epilogue);
        }
    }
}

}  // namespace ggml_transformers::neon
