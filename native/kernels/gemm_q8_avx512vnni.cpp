// Q8_0 weights times 8-bit activations with vpdpbusd: tiles of 4 rows and 32 columns, of which 3 to 4 percent
// more comes than of 6 rows (measured on Zen 4). For every 8 vpdpbusd there are a multiplication and a fused
// one that share their ports: 80 % of the vpdpbusd peak is all that exact block scales allow.
#include <string.h>

#include "kernels/epilogue.h"
#include "kernels/simd_avx512.h"
#include "kernels/tables.h"
#include "kernels/unroll.h"

namespace ggml_transformers::avx512 {

namespace {

// The products of `rows` rows with one panel, [rows][32]. The integer sums begin at what undoes the weights'
// bias, so that a block ends with its exact dot products: one conversion, then one fused multiply-add into
// the total.
template <int rows>
void multiply_tile(const uint8_t* panel, int64_t blocks, const int8_t* q, const float* scales,
                   const int32_t* sums, float* tile) {
    const int64_t k = blocks * quant_block;
    __m512 total[rows][2];
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) total[r][0] = total[r][1] = _mm512_setzero_ps();
    for (int64_t b = 0; b < blocks; ++b) {
        __m512i dot[rows][2];
        KERNEL_UNROLL
        for (int r = 0; r < rows; ++r) dot[r][0] = dot[r][1] = _mm512_set1_epi32(sums[r * blocks + b]);
        KERNEL_UNROLL
        for (int s = 0; s < 8; ++s) {
            const __m512i left = _mm512_load_si512(panel + s * 128);
            const __m512i right = _mm512_load_si512(panel + s * 128 + 64);
            KERNEL_UNROLL
            for (int r = 0; r < rows; ++r) {
                int32_t four;
                memcpy(&four, q + r * k + s * 4, sizeof(four));
                const __m512i activation = _mm512_set1_epi32(four);
                dot[r][0] = _mm512_dpbusd_epi32(dot[r][0], left, activation);
                dot[r][1] = _mm512_dpbusd_epi32(dot[r][1], right, activation);
            }
        }
        const __m512 left =
            _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(panel + 1024)));
        const __m512 right =
            _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(panel + 1056)));
        KERNEL_UNROLL
        for (int r = 0; r < rows; ++r) {
            const __m512 scale = _mm512_set1_ps(scales[r * blocks + b]);
            total[r][0] =
                _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[r][0]), _mm512_mul_ps(left, scale), total[r][0]);
            total[r][1] =
                _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[r][1]), _mm512_mul_ps(right, scale), total[r][1]);
        }
        panel += PackedQ8::block_bytes;
        q += quant_block;
    }
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) {
        _mm512_store_ps(tile + r * 32, total[r][0]);
        _mm512_store_ps(tile + r * 32 + 16, total[r][1]);
    }
}

using MultiplyTile = void (*)(const uint8_t*, int64_t, const int8_t*, const float*, const int32_t*, float*);
constexpr MultiplyTile multiply_tiles[] = {
    nullptr, multiply_tile<1>, multiply_tile<2>, multiply_tile<3>, multiply_tile<4>,
};
constexpr int64_t rows_together = 4;

}  // namespace

void gemm_q8(const PackedQ8& weights, const QuantizedRows& rows, int64_t row_begin, int64_t row_end,
             int64_t panel_begin, int64_t panel_end, const Epilogue& epilogue) {
    const int64_t k = weights.k;
    const int64_t blocks = k / quant_block;
    alignas(64) float tile[rows_together * panel_columns];
    for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
        const uint8_t* data = weights.data + panel * blocks * PackedQ8::block_bytes;
        const int64_t column = panel * panel_columns;
        const int64_t columns = weights.n - column < panel_columns ? weights.n - column : panel_columns;
        // Tiles of equal size, or nearly so: a last one of a single row would waste the most.
        int64_t tiles = (row_end - row_begin + rows_together - 1) / rows_together;
        for (int64_t row = row_begin, count; row < row_end; row += count, --tiles) {
            count = (row_end - row + tiles - 1) / tiles;
            multiply_tiles[count](data, blocks, rows.q + row * k, rows.scales + row * blocks,
                                  rows.sums + row * blocks, tile);
            finish_tile<F32x16>(tile, count, row, column, columns, epilogue);
        }
    }
}

}  // namespace ggml_transformers::avx512
