// Weights of up to 8 bits times rows of bytes with sdot: tiles of up to 8 rows.
//
// A register of weights is four columns of four positions of K; sdot takes the row's values at those
// positions from a lane. The fewer the rows, the more columns go side by side, so that enough sums are in
// flight and a single row streams whole panels.
#include <arm_neon.h>
#include <string.h>

#include "kernels/gemm_neon.h"
#include "kernels/tables.h"
#include "kernels/unroll.h"

namespace ggml_transformers::neon {

namespace {

constexpr int64_t rows_together = 8;

// sdot takes signed bytes, as which all but those of Q8_0 can be read; these lose their bias of 128.
template <class Unit>
constexpr bool biased = Unit::format == Format::Q8_0;

// A block of the tile's rows.
struct RowBlock {
    const int8_t* values;
    int64_t k;
    const ByteBlock* beside;
    int64_t stride;  // of the latter, between rows
};

// Adds the products with the block's positions 4 g to 4 g + 3, which the activations' 16 contain.
template <int g, class Unit, int rows, int fours>
inline void multiply_group(const Unit& unit, int block, int64_t column, const int8x16_t (&activations)[rows],
                           int32x4_t (&dot)[rows][fours]) {
    KERNEL_UNROLL
    for (int c = 0; c < fours; ++c) {
        uint8x16_t weights = Columns<Unit>::template group<g>(unit, block, column + c * 4);
        if constexpr (biased<Unit>) weights = veorq_u8(weights, vdupq_n_u8(0x80));
        const int8x16_t four = vreinterpretq_s8_u8(weights);
        KERNEL_UNROLL
        for (int r = 0; r < rows; ++r) dot[r][c] = vdotq_laneq_s32(dot[r][c], four, activations[r], g % 4);
    }
}

// Adds the products with half a block.
template <int half, class Unit, int rows, int fours>
inline void multiply_half(const Unit& unit, int block, int64_t column, const RowBlock& at,
                          int32x4_t (&dot)[rows][fours]) {
    int8x16_t activations[rows];
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) activations[r] = vld1q_s8(at.values + r * at.k + half * 16);
    multiply_group<half * 4>(unit, block, column, activations, dot);
    multiply_group<half * 4 + 1>(unit, block, column, activations, dot);
    multiply_group<half * 4 + 2>(unit, block, column, activations, dot);
    multiply_group<half * 4 + 3>(unit, block, column, activations, dot);
}

// Adds a part of a block to the totals.
template <int part, class Unit, int rows, int fours>
inline void add_part(const Unit& unit, int block, int64_t column, const RowBlock& at,
                     float32x4_t (&total)[rows][fours]) {
    using Read = Columns<Unit>;
    int32x4_t dot[rows][fours];
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) {
        const int32_t start = biased<Unit> ? 0 : Read::start(at.beside[r * at.stride], part);
        KERNEL_UNROLL
        for (int c = 0; c < fours; ++c) dot[r][c] = vdupq_n_s32(start);
    }
    if constexpr (part == 0) multiply_half<0>(unit, block, column, at, dot);
    if constexpr (part == 1 || Read::parts == 1) multiply_half<1>(unit, block, column, at, dot);
    KERNEL_UNROLL
    for (int c = 0; c < fours; ++c) {
        const float32x4_t scales = Read::scales(unit, block, part, column + c * 4);
        KERNEL_UNROLL
        for (int r = 0; r < rows; ++r)
            total[r][c] = vfmaq_f32(total[r][c], vcvtq_f32_s32(dot[r][c]),
                                    vmulq_n_f32(scales, at.beside[r * at.stride].scale));
    }
}

template <class Unit, int rows, int fours>
inline void add_mins(const Unit& unit, int block, int64_t column, const RowBlock& at,
                     float32x4_t (&total)[rows][fours]) {
    KERNEL_UNROLL
    for (int c = 0; c < fours; ++c) {
        const float32x4_t mins = Columns<Unit>::mins(unit, block, column + c * 4);
        KERNEL_UNROLL
        for (int r = 0; r < rows; ++r)
            total[r][c] = vfmaq_n_f32(total[r][c], mins, at.beside[r * at.stride].scaled_sum);
    }
}

// Adds the products of `blocks` blocks, for 4 * fours columns, to the totals [rows][32].
template <class Unit, int rows, int fours>
inline void multiply_columns(const Unit* unit, int64_t column, int64_t blocks, RowBlock at, float* totals) {
    float32x4_t total[rows][fours];
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) KERNEL_UNROLL
    for (int c = 0; c < fours; ++c) total[r][c] = vld1q_f32(totals + r * panel_columns + column + c * 4);

    for (int64_t b = 0; b < blocks; b += Columns<Unit>::blocks, ++unit) {
        for (int block = 0; block < Columns<Unit>::blocks; ++block) {
            add_part<0>(*unit, block, column, at, total);
            if constexpr (Columns<Unit>::parts == 2) add_part<1>(*unit, block, column, at, total);
            if constexpr (Columns<Unit>::has_mins) add_mins(*unit, block, column, at, total);
            at.values += quant_block;
            ++at.beside;
        }
    }
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) KERNEL_UNROLL
    for (int c = 0; c < fours; ++c) vst1q_f32(totals + r * panel_columns + column + c * 4, total[r][c]);
}

// The same for all columns of a panel.
template <class Unit, int rows>
void multiply_panel(const Unit* unit, int64_t blocks, const RowBlock& at, float* totals) {
    // Formats that are unpacked leave fewer registers.
    constexpr int most = biased<Unit> ? 8 : 4;
    constexpr int fours = rows == 1 ? most : rows == 2 ? most / 2 : rows <= 4 ? 2 : 1;
    for (int64_t column = 0; column < panel_columns; column += fours * 4)
        multiply_columns<Unit, rows, fours>(unit, column, blocks, at, totals);
}

}  // namespace

template <class Unit>
void gemm_bytes(const PackedWeights& weights, const Rows& rows, const Piece& piece,
                const Epilogue& epilogue) {
    using MultiplyPanel = void (*)(const Unit*, int64_t, const RowBlock&, float*);
    constexpr MultiplyPanel multiply[] = {
        nullptr,
        multiply_panel<Unit, 1>,
        multiply_panel<Unit, 2>,
        multiply_panel<Unit, 3>,
        multiply_panel<Unit, 4>,
        multiply_panel<Unit, 5>,
        multiply_panel<Unit, 6>,
        multiply_panel<Unit, 7>,
        multiply_panel<Unit, 8>,
    };
    const int64_t k = weights.k;
    const int64_t blocks = k / quant_block;
    alignas(64) float totals[rows_together * panel_columns];
    for (int64_t panel = piece.panel_begin; panel < piece.panel_end; ++panel) {
        const Unit* units = static_cast<const Unit*>(weights.data) + panel * (k / Unit::k);
        const int64_t first = panel * panel_columns;
        const int64_t columns = weights.n - first < panel_columns ? weights.n - first : panel_columns;
        // Tiles of equal size, or nearly so: a last one of a single row would waste the most.
        int64_t tiles = (piece.row_end - piece.row_begin + rows_together - 1) / rows_together;
        for (int64_t row = piece.row_begin, count; row < piece.row_end; row += count, --tiles) {
            count = (piece.row_end - row + tiles - 1) / tiles;
            memset(totals, 0, sizeof(totals));
            for (int64_t b = 0; b < blocks; b += blocks_together) {
                const int64_t some = blocks - b < blocks_together ? blocks - b : blocks_together;
                multiply[count](
                    units + b * quant_block / Unit::k, some,
                    {rows.bytes + row * k + b * quant_block, k, rows.blocks + row * blocks + b, blocks},
                    totals);
            }
            finish_products(totals, count, row, first, columns, epilogue);
        }
    }
}

template void gemm_bytes<UnitQ8_0>(const PackedWeights&, const Rows&, const Piece&, const Epilogue&);
template void gemm_bytes<UnitQ4_0>(const PackedWeights&, const Rows&, const Piece&, const Epilogue&);
template void gemm_bytes<UnitQ4_K>(const PackedWeights&, const Rows&, const Piece&, const Epilogue&);
template void gemm_bytes<UnitQ6_K>(const PackedWeights&, const Rows&, const Piece&, const Epilogue&);

}  // namespace ggml_transformers::neon
