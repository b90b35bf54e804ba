// Q8_0 weights times 8-bit activations with vpmaddwd: tiles of 4 rows and 16 columns.
//
// Biased weights times activations do not fit the 16 bits of vpmaddubsw, so both are widened to 16 bits. Four
// bytes of a column share a lane: the even and the odd two widen with one instruction each, and vpmaddwd
// multiplies them with the activations of the same positions. Nothing can overflow.
#define KERNEL_NAMESPACE avx2

#include <string.h>

#include "kernels/epilogue.h"
#include "kernels/simd_avx2.h"
#include "kernels/tables.h"
#include "kernels/unroll.h"

namespace ggml_transformers::avx2 {

namespace {

constexpr int64_t rows_together = 4;
constexpr int64_t blocks_together = 16;  // blocks of K whose activations are widened at a time

// Activations of a block, widened: for each group of four, the even pair and then the odd pair.
struct WideBlock {
    int16_t pairs[16][2];
};

void widen(const int8_t* q, int64_t blocks, WideBlock* out) {
    // (0 1 2 3) becomes (0 2 1 3) in every group of four.
    const __m128i order = _mm_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
    for (int64_t b = 0; b < blocks; ++b) {
        for (int64_t half = 0; half < 2; ++half) {
            const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(q + b * 32 + half * 16));
            const __m256i wide = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(bytes, order));
            _mm256_store_si256(reinterpret_cast<__m256i*>(out[b].pairs[half * 8]), wide);
        }
    }
}

inline __m256i broadcast_pair(const int16_t* pair) {
    int32_t two;
    memcpy(&two, pair, sizeof(two));
    return _mm256_set1_epi32(two);
}

// Adds the exact dot products of a block, for 16 columns, to the totals [rows][32].
template <int rows>
inline void add_block(const __m256i (&dot)[rows][2], const uint16_t* halves, const ByteBlock* beside,
                      int64_t stride, float* totals) {
    const __m256 left = _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(halves)));
    const __m256 right = _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(halves) + 1));
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) {
        const __m256 scale = _mm256_set1_ps(beside[r * stride].scale);
        float* total = totals + r * panel_columns;
        _mm256_store_ps(total, _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[r][0]), _mm256_mul_ps(left, scale),
                                               _mm256_load_ps(total)));
        _mm256_store_ps(total + 8, _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[r][1]), _mm256_mul_ps(right, scale),
                                                   _mm256_load_ps(total + 8)));
    }
}

// Adds the products of `blocks` blocks, for 16 columns, to the totals [rows][32].
template <int rows>
void multiply_tile(const UnitQ8_0* unit, int64_t column, int64_t blocks, const WideBlock* q,
                   const ByteBlock* beside, int64_t stride, float* totals) {
    const __m256i low_byte = _mm256_set1_epi16(0xff);
    for (int64_t b = 0; b < blocks; ++b, ++unit) {
        __m256i dot[rows][2];
        KERNEL_UNROLL
        for (int r = 0; r < rows; ++r) dot[r][0] = dot[r][1] = _mm256_set1_epi32(beside[r * stride + b].sum);
        KERNEL_UNROLL
        for (int s = 0; s < 8; ++s) {
            const __m256i* at = reinterpret_cast<const __m256i*>(unit->values[s][column]);
            const __m256i left = _mm256_load_si256(at);
            const __m256i right = _mm256_load_si256(at + 1);
            const __m256i left_even = _mm256_and_si256(left, low_byte);
            const __m256i right_even = _mm256_and_si256(right, low_byte);
            const __m256i left_odd = _mm256_srli_epi16(left, 8);
            const __m256i right_odd = _mm256_srli_epi16(right, 8);
            KERNEL_UNROLL
            for (int r = 0; r < rows; ++r) {
                const WideBlock& block = q[r * blocks_together + b];
                const __m256i even = broadcast_pair(block.pairs[s * 2]);
                dot[r][0] = _mm256_add_epi32(dot[r][0], _mm256_madd_epi16(left_even, even));
                dot[r][1] = _mm256_add_epi32(dot[r][1], _mm256_madd_epi16(right_even, even));
                const __m256i odd = broadcast_pair(block.pairs[s * 2 + 1]);
                dot[r][0] = _mm256_add_epi32(dot[r][0], _mm256_madd_epi16(left_odd, odd));
                dot[r][1] = _mm256_add_epi32(dot[r][1], _mm256_madd_epi16(right_odd, odd));
                KERNEL_IN_ORDER(dot[r][0], dot[r][1]);
            }
        }
        add_block<rows>(dot, unit->scales + column, beside + b, stride, totals + column);
    }
}

using MultiplyTile = void (*)(const UnitQ8_0*, int64_t, int64_t, const WideBlock*, const ByteBlock*, int64_t,
                              float*);
constexpr MultiplyTile multiply_tiles[] = {nullptr, multiply_tile<1>, multiply_tile<2>, multiply_tile<3>,
                                           multiply_tile<4>};

}  // namespace

void gemm_q8_0(const PackedWeights& weights, const Rows& rows, const Piece& piece, const Epilogue& epilogue) {
    const int64_t k = weights.k;
    const int64_t blocks = k / quant_block;
    alignas(64) float totals[rows_together * panel_columns];
    alignas(64) WideBlock wide[rows_together * blocks_together];
    for (int64_t panel = piece.panel_begin; panel < piece.panel_end; ++panel) {
        const UnitQ8_0* units = weights.panel<UnitQ8_0>(panel);
        const int64_t column = panel * panel_columns;
        const int64_t columns = weights.n - column < panel_columns ? weights.n - column : panel_columns;
        // Tiles of equal size, or nearly so: a last one of a single row would waste the most.
        int64_t tiles = (piece.row_end - piece.row_begin + rows_together - 1) / rows_together;
        for (int64_t row = piece.row_begin, count; row < piece.row_end; row += count, --tiles) {
            count = (piece.row_end - row + tiles - 1) / tiles;
            memset(totals, 0, sizeof(totals));
            for (int64_t b = 0; b < blocks; b += blocks_together) {
                const int64_t some = blocks - b < blocks_together ? blocks - b : blocks_together;
                for (int64_t r = 0; r < count; ++r)
                    widen(rows.bytes + (row + r) * k + b * quant_block, some, wide + r * blocks_together);
                const ByteBlock* beside = rows.blocks + row * blocks + b;
                multiply_tiles[count](units + b, 0, some, wide, beside, blocks, totals);
                multiply_tiles[count](units + b, 16, some, wide, beside, blocks, totals);
            }
            finish_tile<F32x16>(totals, count, row, column, columns, epilogue);
        }
    }
}

}  // namespace ggml_transformers::avx2
