// Q16 weights times rows of words: tiles of up to 8 rows.
//
// NEON has no dot product of words. Weights come as pairs of positions of eight columns; parted into the even
// and the odd positions, smlal multiplies four columns of one position with a lane of the row.
#include <arm_neon.h>
#include <string.h>

#include "kernels/gemm_neon.h"
#include "kernels/tables.h"
#include "kernels/unroll.h"

namespace ggml_transformers::neon {

namespace {

constexpr int64_t rows_together = 8;

// Adds the products with the positions 2 pair and 2 pair + 1, which stand in lanes of the rows' eight values.
template <int pair, int rows, int eights>
inline void multiply_pair(const UnitQ16& unit, int64_t group, int64_t column, const int16x8_t (&values)[rows],
                          int32x4_t (&dot)[rows][eights][2]) {
    KERNEL_UNROLL
    for (int c = 0; c < eights; ++c) {
        const int16x8_t left = vld1q_s16(unit.values[group + pair][column + c * 8]);
        const int16x8_t right = vld1q_s16(unit.values[group + pair][column + c * 8 + 4]);
        const int16x8_t even = vuzp1q_s16(left, right);
        const int16x8_t odd = vuzp2q_s16(left, right);
        KERNEL_UNROLL
        for (int r = 0; r < rows; ++r) {
            int32x4_t(&sum)[2] = dot[r][c];
            sum[0] = vmlal_laneq_s16(sum[0], vget_low_s16(even), values[r], pair * 2);
            sum[1] = vmlal_high_laneq_s16(sum[1], even, values[r], pair * 2);
            sum[0] = vmlal_laneq_s16(sum[0], vget_low_s16(odd), values[r], pair * 2 + 1);
            sum[1] = vmlal_high_laneq_s16(sum[1], odd, values[r], pair * 2 + 1);
        }
    }
}

// Adds the products of `blocks` units, for 8 * eights columns, to the totals [rows][32].
template <int rows, int eights>
inline void multiply_columns(const UnitQ16* unit, int64_t column, int64_t blocks, const int16_t* q, int64_t k,
                             const float* scales, float* totals) {
    const int64_t scale_stride = k / quant_block;
    totals += column;
    for (int64_t b = 0; b < blocks; ++b, ++unit, q += quant_block) {
        int32x4_t dot[rows][eights][2];
        KERNEL_UNROLL
        for (int r = 0; r < rows; ++r) KERNEL_UNROLL
        for (int c = 0; c < eights; ++c) dot[r][c][0] = dot[r][c][1] = vdupq_n_s32(0);
        for (int64_t group = 0; group < 16; group += 4) {
            int16x8_t values[rows];
            KERNEL_UNROLL
            for (int r = 0; r < rows; ++r) values[r] = vld1q_s16(q + r * k + group * 2);
            multiply_pair<0>(*unit, group, column, values, dot);
            multiply_pair<1>(*unit, group, column, values, dot);
            multiply_pair<2>(*unit, group, column, values, dot);
            multiply_pair<3>(*unit, group, column, values, dot);
        }
        // The totals stay in memory: the sums leave too few registers.
        KERNEL_UNROLL
        for (int c = 0; c < eights * 2; ++c) {
            const float32x4_t weight_scales = vld1q_f32(unit->scales + column + c * 4);
            KERNEL_UNROLL
            for (int r = 0; r < rows; ++r) {
                float* total = totals + r * panel_columns + c * 4;
                const float32x4_t scale = vmulq_n_f32(weight_scales, scales[r * scale_stride + b]);
                vst1q_f32(total, vfmaq_f32(vld1q_f32(total), vcvtq_f32_s32(dot[r][c / 2][c % 2]), scale));
            }
        }
    }
}

// The same for all columns of a panel. The fewer the rows, the more columns go side by side.
template <int rows>
void multiply_panel(const UnitQ16* unit, int64_t blocks, const int16_t* q, int64_t k, const float* scales,
                    float* totals) {
    constexpr int eights = rows == 1 ? 4 : rows <= 4 ? 2 : 1;
    for (int64_t column = 0; column < panel_columns; column += eights * 8)
        multiply_columns<rows, eights>(unit, column, blocks, q, k, scales, totals);
}

using MultiplyPanel = void (*)(const UnitQ16*, int64_t, const int16_t*, int64_t, const float*, float*);
constexpr MultiplyPanel multiply_panels[] = {
    nullptr,           multiply_panel<1>, multiply_panel<2>, multiply_panel<3>, multiply_panel<4>,
    multiply_panel<5>, multiply_panel<6>, multiply_panel<7>, multiply_panel<8>,
};

}  // namespace

void gemm_q16(const PackedWeights& weights, const Rows& rows, const Piece& piece, const Epilogue& epilogue) {
    const int64_t k = weights.k;
    const int64_t blocks = k / quant_block;
    alignas(64) float totals[rows_together * panel_columns];
    for (int64_t panel = piece.panel_begin; panel < piece.panel_end; ++panel) {
        const UnitQ16* units = static_cast<const UnitQ16*>(weights.data) + panel * blocks;
        const int64_t first = panel * panel_columns;
        const int64_t columns = weights.n - first < panel_columns ? weights.n - first : panel_columns;
        // Tiles of equal size, or nearly so: a last one of a single row would waste the most.
        int64_t tiles = (piece.row_end - piece.row_begin + rows_together - 1) / rows_together;
        for (int64_t row = piece.row_begin, count; row < piece.row_end; row += count, --tiles) {
            count = (piece.row_end - row + tiles - 1) / tiles;
            memset(totals, 0, sizeof(totals));
            for (int64_t b = 0; b < blocks; b += blocks_together) {
                const int64_t some = blocks - b < blocks_together ? blocks - b : blocks_together;
                multiply_panels[count](units + b, some, rows.words + row * k + b * quant_block, k,
                                       rows.scales + row * blocks + b, totals);
            }
            finish_products(totals, count, row, first, columns, epilogue);
        }
    }
}

}  // namespace ggml_transformers::neon
