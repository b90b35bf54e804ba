// Q8_0 weights times 8-bit activations: the reference.
#include <math.h>
#include <string.h>

#include "kernels/epilogue.h"
#include "kernels/half.h"
#include "kernels/simd_scalar.h"
#include "kernels/tables.h"

namespace ggml_transformers::scalar {

namespace {

// One output value: the exact dot product of every block, scaled, added in order of K.
float dot_column(const uint8_t* panel, int64_t column, const int8_t* q, const float* scales,
                 const int32_t* sums, int64_t blocks) {
    float total = 0.0f;
    for (int64_t b = 0; b < blocks; ++b, panel += PackedQ8::block_bytes, q += quant_block) {
        int32_t dot = sums[b];
        for (int64_t k = 0; k < quant_block; ++k)
            dot += panel[(k / 4 * panel_columns + column) * 4 + k % 4] * q[k];
        uint16_t half;
        memcpy(&half, panel + quant_block * panel_columns + column * 2, sizeof(half));
        total = fmaf(static_cast<float>(dot), half_to_float(half) * scales[b], total);
    }
    return total;
}

}  // namespace

void gemm_q8(const PackedQ8& weights, const QuantizedRows& rows, int64_t row_begin, int64_t row_end,
             int64_t panel_begin, int64_t panel_end, const Epilogue& epilogue) {
    const int64_t blocks = weights.k / quant_block;
    for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
        const uint8_t* data = weights.data + panel * weights.panel_bytes();
        const int64_t column = panel * panel_columns;
        const int64_t columns = weights.n - column < panel_columns ? weights.n - column : panel_columns;
        for (int64_t row = row_begin; row < row_end; ++row) {
            float tile[panel_columns] = {};
            for (int64_t c = 0; c < columns; ++c)
                tile[c] = dot_column(data, c, rows.q + row * weights.k, rows.scales + row * blocks,
                                     rows.sums + row * blocks, blocks);
            finish_tile<F32x16>(tile, 1, row, column, columns, epilogue);
        }
    }
}

}  // namespace ggml_transformers::scalar
