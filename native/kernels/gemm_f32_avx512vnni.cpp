// F32 weights times F32 activations: tiles of 6 rows and 32 columns.
#include "kernels/epilogue.h"
#include "kernels/simd_avx512.h"
#include "kernels/tables.h"
#include "kernels/unroll.h"

namespace ggml_transformers::avx512 {

namespace {

template <int rows>
void multiply_tile(const float* panel, int64_t k, const float* x, int64_t x_stride, float* tile) {
    __m512 total[rows][2];
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) total[r][0] = total[r][1] = _mm512_setzero_ps();
    for (int64_t i = 0; i < k; ++i, panel += panel_columns) {
        const __m512 left = _mm512_load_ps(panel);
        const __m512 right = _mm512_load_ps(panel + 16);
        KERNEL_UNROLL
        for (int r = 0; r < rows; ++r) {
            const __m512 value = _mm512_set1_ps(x[r * x_stride + i]);
            total[r][0] = _mm512_fmadd_ps(value, left, total[r][0]);
            total[r][1] = _mm512_fmadd_ps(value, right, total[r][1]);
        }
    }
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) {
        _mm512_store_ps(tile + r * 32, total[r][0]);
        _mm512_store_ps(tile + r * 32 + 16, total[r][1]);
    }
}

using MultiplyTile = void (*)(const float*, int64_t, const float*, int64_t, float*);
constexpr MultiplyTile multiply_tiles[] = {
    nullptr,          multiply_tile<1>, multiply_tile<2>, multiply_tile<3>,
    multiply_tile<4>, multiply_tile<5>, multiply_tile<6>,
};

}  // namespace

void gemm_f32(const PackedF32& weights, const float* x, int64_t x_stride, int64_t row_begin, int64_t row_end,
              int64_t panel_begin, int64_t panel_end, const Epilogue& epilogue) {
    alignas(64) float tile[row_tile * panel_columns];
    for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
        const float* data = weights.data + panel * weights.k * panel_columns;
        const int64_t column = panel * panel_columns;
        const int64_t columns = weights.n - column < panel_columns ? weights.n - column : panel_columns;
        // Tiles of equal size, or nearly so: a last one of a single row would waste the most.
        int64_t tiles = (row_end - row_begin + row_tile - 1) / row_tile;
        for (int64_t row = row_begin, count; row < row_end; row += count, --tiles) {
            count = (row_end - row + tiles - 1) / tiles;
            multiply_tiles[count](data, weights.k, x + row * x_stride, x_stride, tile);
            finish_tile<F32x16>(tile, count, row, column, columns, epilogue);
        }
    }
}

}  // namespace ggml_transformers::avx512
