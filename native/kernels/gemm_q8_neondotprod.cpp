// Q8_0 weights times 8-bit activations with sdot: tiles of up to 8 rows.
//
// A register of weights is four columns of four positions of K; sdot takes the activations of those positions
// from a lane. The fewer the rows, the more columns go side by side, so that enough sums are in flight and a
// single row streams whole panels.
#include <arm_neon.h>
#include <string.h>

#include "kernels/gemm_neon.h"
#include "kernels/tables.h"
#include "kernels/unroll.h"

namespace ggml_transformers::neon {

namespace {

constexpr int64_t rows_together = 8;

// Four columns of weights without their bias.
inline int8x16_t load_weights(const uint8_t* at) {
    return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(at), vdupq_n_u8(0x80)));
}

// Adds the products with four positions of K; `step` is where they stand among the sixteen of a register.
template <int step, int rows, int fours>
inline void multiply_step(const uint8_t* weights, const int8x16_t (&activations)[rows],
                          int32x4_t (&dot)[rows][fours]) {
    KERNEL_UNROLL
    for (int c = 0; c < fours; ++c) {
        const int8x16_t four = load_weights(weights + step * 4 * panel_columns + c * 16);
        KERNEL_UNROLL
        for (int r = 0; r < rows; ++r) dot[r][c] = vdotq_laneq_s32(dot[r][c], four, activations[r], step);
    }
}

// Adds the products of `blocks` blocks, for 4 * fours columns, to the totals [rows][32].
template <int rows, int fours>
inline void multiply_columns(const uint8_t* panel, int64_t column, int64_t blocks, const int8_t* q, int64_t k,
                             const float* scales, float* totals) {
    const int64_t scale_stride = k / quant_block;
    float32x4_t total[rows][fours];
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) KERNEL_UNROLL
    for (int c = 0; c < fours; ++c) total[r][c] = vld1q_f32(totals + r * panel_columns + column + c * 4);

    for (int64_t b = 0; b < blocks; ++b, panel += PackedQ8::block_bytes, q += quant_block) {
        int32x4_t dot[rows][fours];
        KERNEL_UNROLL
        for (int r = 0; r < rows; ++r) KERNEL_UNROLL
        for (int c = 0; c < fours; ++c) dot[r][c] = vdupq_n_s32(0);
        KERNEL_UNROLL
        for (int half = 0; half < 2; ++half) {
            const uint8_t* weights = panel + half * 16 * panel_columns + column * 4;
            int8x16_t activations[rows];
            KERNEL_UNROLL
            for (int r = 0; r < rows; ++r) activations[r] = vld1q_s8(q + r * k + half * 16);
            multiply_step<0>(weights, activations, dot);
            multiply_step<1>(weights, activations, dot);
            multiply_step<2>(weights, activations, dot);
            multiply_step<3>(weights, activations, dot);
        }
        KERNEL_UNROLL
        for (int c = 0; c < fours; ++c) {
            const float32x4_t weight_scales = load_scales(panel, column + c * 4);
            KERNEL_UNROLL
            for (int r = 0; r < rows; ++r)
                total[r][c] = vfmaq_f32(total[r][c], vcvtq_f32_s32(dot[r][c]),
                                        vmulq_n_f32(weight_scales, scales[r * scale_stride + b]));
        }
    }
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) KERNEL_UNROLL
    for (int c = 0; c < fours; ++c) vst1q_f32(totals + r * panel_columns + column + c * 4, total[r][c]);
}

// The same for all columns of a panel.
template <int rows>
void multiply_panel(const uint8_t* panel, int64_t blocks, const int8_t* q, int64_t k, const float* scales,
                    float* totals) {
    constexpr int fours = rows == 1 ? 8 : rows == 2 ? 4 : rows <= 4 ? 2 : 1;
    for (int64_t column = 0; column < panel_columns; column += fours * 4)
        multiply_columns<rows, fours>(panel, column, blocks, q, k, scales, totals);
}

using MultiplyPanel = void (*)(const uint8_t*, int64_t, const int8_t*, int64_t, const float*, float*);
constexpr MultiplyPanel multiply_panels[] = {
    nullptr,           multiply_panel<1>, multiply_panel<2>, multiply_panel<3>, multiply_panel<4>,
    multiply_panel<5>, multiply_panel<6>, multiply_panel<7>, multiply_panel<8>,
};

}  // namespace

void gemm_q8(const PackedQ8& weights, const QuantizedRows& rows, int64_t row_begin, int64_t row_end,
             int64_t panel_begin, int64_t panel_end, const Epilogue& epilogue) {
    const int64_t k = weights.k;
    const int64_t blocks = k / quant_block;
    alignas(64) float totals[rows_together * panel_columns];
    for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
        const uint8_t* data = weights.data + panel * blocks * PackedQ8::block_bytes;
        const int64_t column = panel * panel_columns;
        const int64_t columns = weights.n - column < panel_columns ? weights.n - column : panel_columns;
        // Tiles of equal size, or nearly so: a last one of a single row would waste the most.
        int64_t tiles = (row_end - row_begin + rows_together - 1) / rows_together;
        for (int64_t row = row_begin, count; row < row_end; row += count, --tiles) {
            count = (row_end - row + tiles - 1) / tiles;
            memset(totals, 0, sizeof(totals));
            for (int64_t b = 0; b < blocks; b += blocks_together) {
                const int64_t some = blocks - b < blocks_together ? blocks - b : blocks_together;
                multiply_panels[count](data + b * PackedQ8::block_bytes, some,
                                       rows.q + row * k + b * quant_block, k, rows.scales + row * blocks + b,
                                       totals);
            }
            finish_products(totals, count, row, column, columns, epilogue);
        }
    }
}

}  // namespace ggml_transformers::neon
