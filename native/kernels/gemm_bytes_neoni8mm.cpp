// Weights of up to 8 bits times rows of bytes with usmmla: tiles of up to 4 pairs of rows.
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
using neon::Columns;

namespace {

constexpr int64_t pairs_together = 4;
constexpr int64_t panels_together = 4;
constexpr int64_t pair_totals = 2 * panel_columns;

// A block of two rows: eight positions of the one, then of the other. Numbers stand twice: for two columns.
struct PairBlock {
    int8_t q[quant_block / 8][2][8];
    float scales[4];
    int32_t start[2][4];  // of each part
    float scaled_sums[4];
};

// Interleaves `blocks` blocks of `count` rows; an odd last row is its own companion.
template <class Unit>
void interleave(const Rows& from, int64_t k, int64_t row, int64_t count, int64_t block, int64_t blocks,
                PairBlock (*out)[blocks_together]) {
    const int64_t stride = k / quant_block;
    for (int64_t r = 0; r < count; r += 2, ++out) {
        const int64_t rows[2] = {row + r, r + 1 < count ? row + r + 1 : row + r};
        for (int64_t b = 0; b < blocks; ++b) {
            PairBlock& pair = (*out)[b];
            for (int64_t half = 0; half < 2; ++half) {
                const int8_t* at = from.bytes + (block + b) * quant_block + half * 16;
                const int64x2_t x = vreinterpretq_s64_s8(vld1q_s8(at + rows[0] * k));
                const int64x2_t y = vreinterpretq_s64_s8(vld1q_s8(at + rows[1] * k));
                vst1q_s8(pair.q[half * 2][0], vreinterpretq_s8_s64(vzip1q_s64(x, y)));
                vst1q_s8(pair.q[half * 2 + 1][0], vreinterpretq_s8_s64(vzip2q_s64(x, y)));
            }
            for (int64_t i = 0; i < 2; ++i) {
                const ByteBlock& beside = from.blocks[rows[i] * stride + block + b];
                pair.scales[i] = pair.scales[i + 2] = beside.scale;
                for (int part = 0; part < Columns<Unit>::parts; ++part)
                    pair.start[part][i] = pair.start[part][i + 2] = Columns<Unit>::start(beside, part);
                if constexpr (Columns<Unit>::has_mins)
                    pair.scaled_sums[i] = pair.scaled_sums[i + 2] = beside.scaled_sum;
            }
        }
    }
}

// The rows' part of a block that is being multiplied.
using Pairs = const PairBlock (*)[blocks_together];

// Adds the products with eight positions.
template <int step, class Unit, int pairs, int twos>
inline void multiply_step(const Unit& unit, int block, int64_t column, Pairs activations, int64_t b,
                          int32x4_t (&dot)[pairs][twos]) {
    int8x16_t rows[pairs];
    KERNEL_UNROLL
    for (int p = 0; p < pairs; ++p) rows[p] = vld1q_s8(activations[p][b].q[step][0]);
    KERNEL_UNROLL
    for (int c = 0; c < twos; c += 2) {
        using Read = Columns<Unit>;
        const auto first = vreinterpretq_u32_u8(Read::template group<step * 2>(unit, block, column + c * 2));
        const auto second =
            vreinterpretq_u32_u8(Read::template group<step * 2 + 1>(unit, block, column + c * 2));
        const uint8x16_t left = vreinterpretq_u8_u32(vzip1q_u32(first, second));
        const uint8x16_t right = vreinterpretq_u8_u32(vzip2q_u32(first, second));
        KERNEL_UNROLL
        for (int p = 0; p < pairs; ++p) {
            dot[p][c] = vusmmlaq_s32(dot[p][c], left, rows[p]);
            dot[p][c + 1] = vusmmlaq_s32(dot[p][c + 1], right, rows[p]);
        }
    }
}

// Adds a part of a block to the totals.
template <int part, class Unit, int pairs, int twos>
inline void add_part(const Unit& unit, int block, int64_t column, Pairs activations, int64_t b,
                     float32x4_t (&total)[pairs][twos]) {
    int32x4_t dot[pairs][twos];
    KERNEL_UNROLL
    for (int p = 0; p < pairs; ++p) KERNEL_UNROLL
    for (int c = 0; c < twos; ++c) dot[p][c] = vld1q_s32(activations[p][b].start[part]);
    if constexpr (part == 0) {
        multiply_step<0>(unit, block, column, activations, b, dot);
        multiply_step<1>(unit, block, column, activations, b, dot);
    }
    if constexpr (part == 1 || Columns<Unit>::parts == 1) {
        multiply_step<2>(unit, block, column, activations, b, dot);
        multiply_step<3>(unit, block, column, activations, b, dot);
    }
    KERNEL_UNROLL
    for (int c = 0; c < twos; c += 2) {
        const float32x4_t scales = Columns<Unit>::scales(unit, block, part, column + c * 2);
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

template <class Unit, int pairs, int twos>
inline void add_mins(const Unit& unit, int block, int64_t column, Pairs activations, int64_t b,
                     float32x4_t (&total)[pairs][twos]) {
    KERNEL_UNROLL
    for (int c = 0; c < twos; c += 2) {
        const float32x4_t mins = Columns<Unit>::mins(unit, block, column + c * 2);
        KERNEL_UNROLL
        for (int p = 0; p < pairs; ++p) {
            const float32x4_t rows = vld1q_f32(activations[p][b].scaled_sums);
            total[p][c] = vfmaq_f32(total[p][c], vzip1q_f32(mins, mins), rows);
            total[p][c + 1] = vfmaq_f32(total[p][c + 1], vzip2q_f32(mins, mins), rows);
        }
    }
}

// Adds the products of `blocks` blocks, for 4 * fours columns, to the totals [pairs][column][row].
template <class Unit, int pairs, int fours>
inline void multiply_columns(const Unit* unit, int64_t column, int64_t blocks, Pairs activations,
                             float* totals) {
    constexpr int twos = fours * 2;
    totals += column * 2;
    float32x4_t total[pairs][twos];
    KERNEL_UNROLL
    for (int p = 0; p < pairs; ++p) KERNEL_UNROLL
    for (int c = 0; c < twos; ++c) total[p][c] = vld1q_f32(totals + p * pair_totals + c * 4);
    for (int64_t b = 0; b < blocks; ++unit) {
        for (int block = 0; block < Columns<Unit>::blocks; ++block, ++b) {
            add_part<0>(*unit, block, column, activations, b, total);
            if constexpr (Columns<Unit>::parts == 2) add_part<1>(*unit, block, column, activations, b, total);
            if constexpr (Columns<Unit>::has_mins) add_mins(*unit, block, column, activations, b, total);
        }
    }
    KERNEL_UNROLL
    for (int p = 0; p < pairs; ++p) KERNEL_UNROLL
    for (int c = 0; c < twos; ++c) vst1q_f32(totals + p * pair_totals + c * 4, total[p][c]);
}

// The same for all columns of a panel.
template <class Unit, int pairs>
void multiply_panel(const Unit* unit, int64_t blocks, Pairs activations, float* totals) {
    // Formats that are unpacked leave fewer registers.
    constexpr int most = Unit::format == Format::Q8_0 ? 4 : 2;
    constexpr int fours = pairs == 1 ? most : pairs == 2 ? 2 : 1;
    for (int64_t column = 0; column < panel_columns; column += fours * 4)
        multiply_columns<Unit, pairs, fours>(unit, column, blocks, activations, totals);
}

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
template <class Unit>
void multiply_tile(const PackedWeights& weights, const Rows& rows, int64_t row, int64_t count,
                   int64_t panel_begin, int64_t panels, float* totals) {
    using MultiplyPanel = void (*)(const Unit*, int64_t, Pairs, float*);
    constexpr MultiplyPanel multiply[] = {nullptr, multiply_panel<Unit, 1>, multiply_panel<Unit, 2>,
                                          multiply_panel<Unit, 3>, multiply_panel<Unit, 4>};
    const int64_t blocks = weights.k / quant_block;
    PairBlock activations[pairs_together][blocks_together];
    memset(totals, 0, sizeof(float) * static_cast<size_t>(panels * pairs_together * pair_totals));
    for (int64_t b = 0; b < blocks; b += blocks_together) {
        const int64_t some = blocks - b < blocks_together ? blocks - b : blocks_together;
        interleave<Unit>(rows, weights.k, row, count, b, some, activations);
        for (int64_t p = 0; p < panels; ++p) {
            const int64_t unit = ((panel_begin + p) * blocks + b) * quant_block / Unit::k;
            multiply[(count + 1) / 2](static_cast<const Unit*>(weights.data) + unit, some, activations,
                                      totals + p * pairs_together * pair_totals);
        }
    }
}

}  // namespace

template <class Unit>
void gemm_bytes(const PackedWeights& weights, const Rows& rows, const Piece& piece,
                const Epilogue& epilogue) {
    // A row without a companion would waste half of every product.
    if (piece.row_end - piece.row_begin == 1) return neon::gemm_bytes<Unit>(weights, rows, piece, epilogue);
    alignas(64) float totals[panels_together * pairs_together * pair_totals];
    alignas(64) float tile[pairs_together * pair_totals];
    for (int64_t panel = piece.panel_begin, panels; panel < piece.panel_end; panel += panels) {
        panels = piece.panel_end - panel < panels_together ? piece.panel_end - panel : panels_together;
        // Tiles of equal size, or nearly so, of whole pairs: only the last may have an odd row.
        const int64_t pairs = (piece.row_end - piece.row_begin + 1) / 2;
        int64_t tiles = (pairs + pairs_together - 1) / pairs_together;
        for (int64_t row = piece.row_begin, count; row < piece.row_end; row += count, --tiles) {
            count = 2 * (((piece.row_end - row + 1) / 2 + tiles - 1) / tiles);
            if (count > piece.row_end - row) count = piece.row_end - row;
            multiply_tile<Unit>(weights, rows, row, count, panel, panels, totals);
            for (int64_t p = 0; p < panels; ++p) {
                const int64_t first = (panel + p) * panel_columns;
                const int64_t columns = weights.n - first < panel_columns ? weights.n - first : panel_columns;
                separate(totals + p * pairs_together * pair_totals, (count + 1) / 2, tile);
                neon::finish_products(tile, count, row, first, columns, epilogue);
            }
        }
    }
}

template void gemm_bytes<UnitQ8_0>(const PackedWeights&, const Rows&, const Piece&, const Epilogue&);
template void gemm_bytes<UnitQ4_0>(const PackedWeights&, const Rows&, const Piece&, const Epilogue&);
template void gemm_bytes<UnitQ4_K>(const PackedWeights&, const Rows&, const Piece&, const Epilogue&);
template void gemm_bytes<UnitQ6_K>(const PackedWeights&, const Rows&, const Piece&, const Epilogue&);

}  // namespace ggml_transformers::neon_i8mm
