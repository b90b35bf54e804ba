// Q8_0 weights times 8-bit activations with usmmla: tiles of up to 4 pairs of rows.
//
// usmmla multiplies two columns with two rows over eight positions of K. Two registers of weights, four
// columns of four positions each, interleave to such pairs of columns; rows are interleaved beforehand. The
// weights stay biased: the integer sums begin at what undoes it. Each sum is [column][row] of a pair of each.
#include <arm_neon.h>
#include <string.h>

#include "kernels/gemm_neon.h"
#include "kernels/tables.h"
#include "kernels/unroll.h"

namespace ggml_transformers::neon_i8mm {

using neon::blocks_together;
using neon::load_scales;

namespace {

constexpr int64_t pairs_together = 4;
constexpr int64_t panels_together = 4;
constexpr int64_t pair_totals = 2 * panel_columns;

// A block of two rows of activations: eight positions of the one, then of the other.
struct PairBlock {
    int8_t q[quant_block / 8][2][8];
    float scales[4];   // of both rows, twice
    int32_t start[4];  // likewise
};

// Interleaves `blocks` blocks of `rows` rows; an odd last row is its own companion.
void interleave(const QuantizedRows& from, int64_t k, int64_t row, int64_t rows, int64_t block,
                int64_t blocks, PairBlock (*out)[blocks_together]) {
    const int64_t stride = k / quant_block;
    for (int64_t r = 0; r < rows; r += 2, ++out) {
        const int64_t one = row + r;
        const int64_t other = r + 1 < rows ? one + 1 : one;
        for (int64_t b = 0; b < blocks; ++b) {
            PairBlock& pair = (*out)[b];
            for (int64_t half = 0; half < 2; ++half) {
                const int64_t at = (block + b) * quant_block + half * 16;
                const int64x2_t x = vreinterpretq_s64_s8(vld1q_s8(from.q + one * k + at));
                const int64x2_t y = vreinterpretq_s64_s8(vld1q_s8(from.q + other * k + at));
                vst1q_s8(pair.q[half * 2][0], vreinterpretq_s8_s64(vzip1q_s64(x, y)));
                vst1q_s8(pair.q[half * 2 + 1][0], vreinterpretq_s8_s64(vzip2q_s64(x, y)));
            }
            pair.scales[0] = pair.scales[2] = from.scales[one * stride + block + b];
            pair.scales[1] = pair.scales[3] = from.scales[other * stride + block + b];
            pair.start[0] = pair.start[2] = from.sums[one * stride + block + b];
            pair.start[1] = pair.start[3] = from.sums[other * stride + block + b];
        }
    }
}

// Adds the products of `blocks` blocks, for 4 * fours columns, to the totals [pairs][column][row].
template <int pairs, int fours>
inline void multiply_columns(const uint8_t* panel, int64_t column, int64_t blocks,
                             const PairBlock (*activations)[blocks_together], float* totals) {
    constexpr int twos = fours * 2;
    totals += column * 2;
    float32x4_t total[pairs][twos];
    KERNEL_UNROLL
    for (int p = 0; p < pairs; ++p) KERNEL_UNROLL
    for (int c = 0; c < twos; ++c) total[p][c] = vld1q_f32(totals + p * pair_totals + c * 4);

    for (int64_t b = 0; b < blocks; ++b, panel += PackedQ8::block_bytes) {
        int32x4_t dot[pairs][twos];
        KERNEL_UNROLL
        for (int p = 0; p < pairs; ++p) KERNEL_UNROLL
        for (int c = 0; c < twos; ++c) dot[p][c] = vld1q_s32(activations[p][b].start);
        KERNEL_UNROLL
        for (int s = 0; s < 4; ++s) {
            int8x16_t rows[pairs];
            KERNEL_UNROLL
            for (int p = 0; p < pairs; ++p) rows[p] = vld1q_s8(activations[p][b].q[s][0]);
            KERNEL_UNROLL
            for (int c = 0; c < twos; c += 2) {
                const uint8_t* at = panel + s * 8 * panel_columns + column * 4 + c * 8;
                const uint32x4_t first = vreinterpretq_u32_u8(vld1q_u8(at));
                const uint32x4_t second = vreinterpretq_u32_u8(vld1q_u8(at + 4 * panel_columns));
                const uint8x16_t left = vreinterpretq_u8_u32(vzip1q_u32(first, second));
                const uint8x16_t right = vreinterpretq_u8_u32(vzip2q_u32(first, second));
                KERNEL_UNROLL
                for (int p = 0; p < pairs; ++p) {
                    dot[p][c] = vusmmlaq_s32(dot[p][c], left, rows[p]);
                    dot[p][c + 1] = vusmmlaq_s32(dot[p][c + 1], right, rows[p]);
                }
            }
        }
        KERNEL_UNROLL
        for (int c = 0; c < twos; c += 2) {
            const float32x4_t scales = load_scales(panel, column + c * 2);
            const float32x4_t left = vzip1q_f32(scales, scales);
            const float32x4_t right = vzip2q_f32(scales, scales);
            KERNEL_UNROLL
            for (int p = 0; p < pairs; ++p) {
                const float32x4_t rows = vld1q_f32(activations[p][b].scales);
                total[p][c] = vfmaq_f32(total[p][c], vcvtq_f32_s32(dot[p][c]), vmulq_f32(left, rows));
                total[p][c + 1] =
                    vfmaq_f32(total[p][c + 1], vcvtq_f32_s32(dot[p][c + 1]), vmulq_f32(right, rows));
            }
        }
    }
    KERNEL_UNROLL
    for (int p = 0; p < pairs; ++p) KERNEL_UNROLL
    for (int c = 0; c < twos; ++c) vst1q_f32(totals + p * pair_totals + c * 4, total[p][c]);
}

// The same for all columns of a panel.
template <int pairs>
void multiply_panel(const uint8_t* panel, int64_t blocks, const PairBlock (*activations)[blocks_together],
                    float* totals) {
    constexpr int fours = pairs == 1 ? 4 : pairs == 2 ? 2 : 1;
    for (int64_t column = 0; column < panel_columns; column += fours * 4)
        multiply_columns<pairs, fours>(panel, column, blocks, activations, totals);
}

using MultiplyPanel = void (*)(const uint8_t*, int64_t, const PairBlock (*)[blocks_together], float*);
constexpr MultiplyPanel multiply_panels[] = {nullptr, multiply_panel<1>, multiply_panel<2>, multiply_panel<3>,
                                             multiply_panel<4>};

// Totals [pairs][column][row] as rows of a tile.
void separate(const float* totals, int64_t pairs, float* tile) {
    for (int64_t p = 0; p < pairs; ++p, totals += pair_totals, tile += 2 * panel_columns) {
        for (int64_t c = 0; c < panel_columns; c += 4) {
            const float32x4_t left = vld1q_f32(totals + c * 2);
            const float32x4_t right = vld1q_f32(totals + c * 2 + 4);
            vst1q_f32(tile + c, vuzp1q_f32(left, right));
            vst1q_f32(tile + panel_columns + c, vuzp2q_f32(left, right));
        }
    }
}

// The products of a tile of rows with a few panels, for which the rows are interleaved once.
void multiply_tile(const PackedQ8& weights, const QuantizedRows& rows, int64_t row, int64_t count,
                   int64_t panel_begin, int64_t panels, float* totals) {
    const int64_t blocks = weights.k / quant_block;
    const int64_t pairs = (count + 1) / 2;
    PairBlock activations[pairs_together][blocks_together];
    memset(totals, 0, sizeof(float) * static_cast<size_t>(panels * pairs_together * pair_totals));
    for (int64_t b = 0; b < blocks; b += blocks_together) {
        const int64_t some = blocks - b < blocks_together ? blocks - b : blocks_together;
        interleave(rows, weights.k, row, count, b, some, activations);
        for (int64_t p = 0; p < panels; ++p)
            multiply_panels[pairs](weights.data + ((panel_begin + p) * blocks + b) * PackedQ8::block_bytes,
                                   some, activations, totals + p * pairs_together * pair_totals);
    }
}

}  // namespace

void gemm_q8(const PackedQ8& weights, const QuantizedRows& rows, int64_t row_begin, int64_t row_end,
             int64_t panel_begin, int64_t panel_end, const Epilogue& epilogue) {
    // A row without a companion would waste half of every product.
    if (row_end - row_begin == 1)
        return neon::gemm_q8(weights, rows, row_begin, row_end, panel_begin, panel_end, epilogue);
    alignas(64) float totals[panels_together * pairs_together * pair_totals];
    alignas(64) float tile[pairs_together * pair_totals];
    for (int64_t panel = panel_begin, panels; panel < panel_end; panel += panels) {
        panels = panel_end - panel < panels_together ? panel_end - panel : panels_together;
        // Tiles of equal size, or nearly so, of whole pairs: only the last may have an odd row.
        const int64_t pairs = (row_end - row_begin + 1) / 2;
        int64_t tiles = (pairs + pairs_together - 1) / pairs_together;
        for (int64_t row = row_begin, count; row < row_end; row += count, --tiles) {
            count = 2 * (((row_end - row + 1) / 2 + tiles - 1) / tiles);
            if (count > row_end - row) count = row_end - row;
            multiply_tile(weights, rows, row, count, panel, panels, totals);
            for (int64_t p = 0; p < panels; ++p) {
                const int64_t column = (panel + p) * panel_columns;
                const int64_t columns =
                    weights.n - column < panel_columns ? weights.n - column : panel_columns;
                separate(totals + p * pairs_together * pair_totals, (count + 1) / 2, tile);
                neon::finish_products(tile, count, row, column, columns, epilogue);
            }
        }
    }
}

}  // namespace ggml_transformers::neon_i8mm
