// Products of packed whole numbers with quantized rows, over the vectors of any instruction set with dot
// products of four bytes or two words a lane: tiles of 4 rows and two vectors of columns.
//
// `I` gives the vectors:
//   columns                            lanes of a vector, a column each
//   Ints, Floats                       vectors of 32-bit lanes
//   load(p), broadcast(p), set(x)      Ints: whole, four bytes of memory in each lane, a number in each lane
//   dot<Unit>(sum, weights, row)       adds the dot products of unsigned and signed bytes, or of words
//   add(a, b), low_nibbles(v), high_nibbles(v), high_bits<shift>(low, v)
//   to_float(ints), floats(x), mul(a, b), fma(a, b, c), halves(p), unsigned_bytes(p), signed_bytes(p),
//   load_floats(p), store(p, floats)
// Where narrow<Unit> is true the sums of `dot` are 16 bits wide, and widen(sum) makes 32 of them.
#pragma once

#include "kernels/epilogue.h"
#include "kernels/kernels.h"
#include "kernels/prefetch.h"
#include "kernels/unroll.h"

namespace ggml_transformers {

// How a format's unit is read: `blocks` of 32 values along K, each in `parts` with a scale of their own.
// each_group calls f(group, left, right) for the part's groups of four, in any order; the sum of the
// products of whole numbers starts at zero_point(...).
template <class Unit>
struct Reader;

template <>
struct Reader<UnitQ8_0> {
    static constexpr int blocks = 1, parts = 1;
    static constexpr bool has_mins = false;

    KERNEL_INLINE static inline int32_t start(const ByteBlock& row, int) { return row.sum; }
    template <class I, class F>
    KERNEL_INLINE static inline void each_group(const UnitQ8_0& u, int, int, int64_t column, F f) {
        KERNEL_UNROLL
        for (int g = 0; g < 8; ++g)
            f(g, I::load(u.values[g][column]), I::load(u.values[g][column + I::columns]));
    }
    template <class I>
    static typename I::Floats scales(const UnitQ8_0& u, int, int, int64_t column) {
        return I::halves(u.scales + column);
    }
};

// The two groups that share the bytes of a Q4_0 or Q4_K block.
template <class I, class F>
KERNEL_INLINE inline void each_nibble_group(const uint8_t (&values)[4][32][4], int64_t column, F f) {
    KERNEL_UNROLL
    for (int g = 0; g < 4; ++g) {
        const auto left = I::load(values[g][column]);
        const auto right = I::load(values[g][column + I::columns]);
        f(g, I::low_nibbles(left), I::low_nibbles(right));
        f(g + 4, I::high_nibbles(left), I::high_nibbles(right));
    }
}

template <>
struct Reader<UnitQ4_0> {
    static constexpr int blocks = 1, parts = 1;
    static constexpr bool has_mins = false;

    KERNEL_INLINE static inline int32_t start(const ByteBlock& row, int) { return row.sum >> 4; }
    template <class I, class F>
    KERNEL_INLINE static inline void each_group(const UnitQ4_0& u, int, int, int64_t column, F f) {
        each_nibble_group<I>(u.values, column, f);
    }
    template <class I>
    static typename I::Floats scales(const UnitQ4_0& u, int, int, int64_t column) {
        return I::halves(u.scales + column);
    }
};

template <>
struct Reader<UnitQ4_K> {
    static constexpr int blocks = 8, parts = 1;
    static constexpr bool has_mins = true;

    KERNEL_INLINE static inline int32_t start(const ByteBlock&, int) { return 0; }
    template <class I, class F>
    KERNEL_INLINE static inline void each_group(const UnitQ4_K& u, int block, int, int64_t column, F f) {
        each_nibble_group<I>(u.blocks[block].values, column, f);
    }
    template <class I>
    static typename I::Floats scales(const UnitQ4_K& u, int block, int, int64_t column) {
        return I::mul(I::halves(u.d + column), I::unsigned_bytes(u.blocks[block].scales + column));
    }
    template <class I>
    static typename I::Floats mins(const UnitQ4_K& u, int block, int64_t column) {
        return I::mul(I::halves(u.d_min + column), I::unsigned_bytes(u.blocks[block].mins + column));
    }
};

template <>
struct Reader<UnitQ6_K> {
    static constexpr int blocks = 8, parts = 2;
    static constexpr bool has_mins = false;

    KERNEL_INLINE static inline int32_t start(const ByteBlock& row, int part) {
        return (part == 0 ? row.first_sum : row.sum - row.first_sum) >> 2;
    }
    template <class I, class F>
    KERNEL_INLINE static inline void each_group(const UnitQ6_K& u, int block, int part, int64_t column, F f) {
        if (part == 0)
            each_of_part<I, 0>(u.blocks[block], column, f);
        else
            each_of_part<I, 1>(u.blocks[block], column, f);
    }
    template <class I, int part, class F>
    KERNEL_INLINE static inline void each_of_part(const UnitQ6_K::Block& b, int64_t column, F f) {
        KERNEL_UNROLL
        for (int g = 0; g < 2; ++g) {
            const auto left = I::load(b.low[2 * part + g][column]);
            const auto right = I::load(b.low[2 * part + g][column + I::columns]);
            const auto high_left = I::load(b.high[g][column]);
            const auto high_right = I::load(b.high[g][column + I::columns]);
            f(4 * part + g, I::template high_bits<4 * part>(I::low_nibbles(left), high_left),
              I::template high_bits<4 * part>(I::low_nibbles(right), high_right));
            f(4 * part + g + 2, I::template high_bits<4 * part + 2>(I::high_nibbles(left), high_left),
              I::template high_bits<4 * part + 2>(I::high_nibbles(right), high_right));
        }
    }
    template <class I>
    static typename I::Floats scales(const UnitQ6_K& u, int block, int part, int64_t column) {
        return I::mul(I::halves(u.d + column), I::signed_bytes(u.blocks[block].scales[part] + column));
    }
};

template <>
struct Reader<UnitQ16> {
    static constexpr int blocks = 1, parts = 1;
    static constexpr bool has_mins = false;

    KERNEL_INLINE static inline int32_t start(float, int) { return 0; }
    template <class I, class F>
    KERNEL_INLINE static inline void each_group(const UnitQ16& u, int, int, int64_t column, F f) {
        KERNEL_UNROLL
        for (int g = 0; g < 16; ++g)
            f(g, I::load(u.values[g][column]), I::load(u.values[g][column + I::columns]));
    }
    template <class I>
    static typename I::Floats scales(const UnitQ16& u, int, int, int64_t column) {
        return I::load_floats(u.scales + column);
    }
};

// A lone row has two chains of sums for each column: with one, each dot product would wait for the last.
template <int rows>
constexpr int chains = rows == 1 ? 2 : 1;

// What stands beside each 32 values of a row: a ByteBlock, or a word's scale.
template <class Unit>
constexpr bool has_words = info(Unit::format).rows == RowForm::Words;
KERNEL_INLINE inline float scale_of(const ByteBlock& beside) { return beside.scale; }
KERNEL_INLINE inline float scale_of(float beside) { return beside; }

// A block of the tile's rows. Plain pointers by value, which stay in registers.
template <class Beside>
struct RowBlock {
    const char* values;
    int64_t row_bytes;
    const Beside* beside;
    int64_t stride;  // of the latter, between rows
};

// Adds one part of a block to the totals of a tile.
template <class I, class Unit, int rows, class Beside>
KERNEL_INLINE inline void add_part(const Unit& unit, int block, int part, int64_t column,
                                   const RowBlock<Beside>& at, typename I::Floats (&total)[rows][2]) {
    using Ints = typename I::Ints;
    constexpr bool narrow = I::template narrow<Unit>;
    const auto start = [&](int r)
                           KERNEL_INLINE { return Reader<Unit>::start(at.beside[r * at.stride], part); };
    Ints sum[rows][2][chains<rows>];
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) {
        KERNEL_UNROLL
        for (int c = 0; c < chains<rows>; ++c)
            sum[r][0][c] = sum[r][1][c] = I::set(narrow || c > 0 ? 0 : start(r));
    }
    Reader<Unit>::template each_group<I>(
        unit, block, part, column, [&](int group, Ints left, Ints right) KERNEL_INLINE {
            const int c = group % chains<rows>;
            KERNEL_UNROLL
            for (int r = 0; r < rows; ++r) {
                const Ints row = I::broadcast(at.values + r * at.row_bytes + group * 4);
                sum[r][0][c] = I::template dot<Unit>(sum[r][0][c], left, row);
                sum[r][1][c] = I::template dot<Unit>(sum[r][1][c], right, row);
            }
        });
    const auto left = Reader<Unit>::template scales<I>(unit, block, part, column);
    const auto right = Reader<Unit>::template scales<I>(unit, block, part, column + I::columns);
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) {
        const auto scale = I::floats(scale_of(at.beside[r * at.stride]));
        KERNEL_UNROLL
        for (int side = 0; side < 2; ++side) {
            Ints all = sum[r][side][0];
            if constexpr (chains<rows> == 2) all = I::template add_sums<Unit>(all, sum[r][side][1]);
            if constexpr (narrow) all = I::add(I::widen(all), I::set(start(r)));
            total[r][side] =
                I::fma(I::to_float(all), I::mul(side == 0 ? left : right, scale), total[r][side]);
        }
    }
}

template <class I, class Unit, int rows>
KERNEL_INLINE inline void add_mins(const Unit& unit, int block, int64_t column, const RowBlock<ByteBlock>& at,
                                   typename I::Floats (&total)[rows][2]) {
    const auto left = Reader<Unit>::template mins<I>(unit, block, column);
    const auto right = Reader<Unit>::template mins<I>(unit, block, column + I::columns);
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) {
        const auto sum = I::floats(at.beside[r * at.stride].scaled_sum);
        total[r][0] = I::fma(left, sum, total[r][0]);
        total[r][1] = I::fma(right, sum, total[r][1]);
    }
}

// Fetches what is wanted 4 KB later (measured on Zen 4: a fifth more bytes per second than without, and than
// with twice or half the distance). Where a block is fewer bytes than that, and more instructions for each,
// it only costs.
template <class Unit>
KERNEL_INLINE inline void fetch_ahead(const Unit* unit, int block) {
    constexpr int64_t bytes = static_cast<int64_t>(sizeof(Unit)) / Reader<Unit>::blocks;
    if constexpr (bytes < static_cast<int64_t>(sizeof(UnitQ8_0))) return;
    const char* at = reinterpret_cast<const char*>(unit) + 4096 + block * bytes;
    KERNEL_UNROLL
    for (int64_t i = 0; i < bytes; i += 64) KERNEL_PREFETCH(at + i);
}

// The products of some rows, from their first block on, with two vectors of a panel's columns from `column`
// on: [rows][32]. Were the column not constant, every load would need an address of its own.
template <class I, class Unit, int rows, bool streamed, int64_t column, class Beside>
KERNEL_INLINE inline void multiply_columns(const Unit* unit, const RowBlock<Beside>& first, float* tile) {
    RowBlock<Beside> at = first;
    typename I::Floats total[rows][2];
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) total[r][0] = total[r][1] = I::floats(0.0f);
    const int64_t blocks = at.stride;
    for (int64_t b = 0; b < blocks; b += Reader<Unit>::blocks, ++unit) {
        for (int block = 0; block < Reader<Unit>::blocks; ++block) {
            if constexpr (streamed && column == 0) fetch_ahead(unit, block);
            KERNEL_UNROLL
            for (int part = 0; part < Reader<Unit>::parts; ++part)
                add_part<I>(*unit, block, part, column, at, total);
            if constexpr (Reader<Unit>::has_mins) add_mins<I>(*unit, block, column, at, total);
            at.values += quant_block * (has_words<Unit> ? 2 : 1);
            ++at.beside;
        }
    }
    KERNEL_UNROLL
    for (int r = 0; r < rows; ++r) {
        I::store(tile + r * panel_columns + column, total[r][0]);
        I::store(tile + r * panel_columns + column + I::columns, total[r][1]);
    }
}

template <class I, class Unit, int rows, bool streamed, class Beside>
void multiply_tile(const Unit* unit, int64_t blocks, const char* values, const Beside* beside, float* tile) {
    const RowBlock<Beside> first = {values, blocks * quant_block * (has_words<Unit> ? 2 : 1), beside, blocks};
    multiply_columns<I, Unit, rows, streamed, 0>(unit, first, tile);
    if constexpr (I::columns < 16) multiply_columns<I, Unit, rows, streamed, 16>(unit, first, tile);
}

template <class I, class V, class Unit, class Beside>
void multiply_rows(const PackedWeights& weights, const char* values, int64_t row_bytes, const Beside* beside,
                   const Piece& piece, const Epilogue& epilogue) {
    using MultiplyTile = void (*)(const Unit*, int64_t, const char*, const Beside*, float*);
    constexpr MultiplyTile multiply[2][5] = {
        {nullptr, multiply_tile<I, Unit, 1, false>, multiply_tile<I, Unit, 2, false>,
         multiply_tile<I, Unit, 3, false>, multiply_tile<I, Unit, 4, false>},
        {nullptr, multiply_tile<I, Unit, 1, true>, multiply_tile<I, Unit, 2, true>,
         multiply_tile<I, Unit, 3, true>, multiply_tile<I, Unit, 4, true>}};
    constexpr int64_t together = 4;
    const int64_t blocks = weights.k / quant_block;
    constexpr int64_t finished_rows = 32;  // together, which costs less than tile by tile
    alignas(64) float tile[finished_rows * panel_columns];
    for (int64_t panel = piece.panel_begin; panel < piece.panel_end; ++panel) {
        const Unit* units = weights.panel<Unit>(panel);
        Prefetch prefetch;
        const int64_t row_count = piece.row_end - piece.row_begin;
        if (piece.ahead > 0 && row_count >= few_rows)
            prefetch = prefetch_panel<Unit>(weights, panel + piece.ahead, row_count / together);
        const int64_t first = panel * panel_columns;
        const int64_t columns = weights.n - first < panel_columns ? weights.n - first : panel_columns;
        for (int64_t begin = piece.row_begin; begin < piece.row_end; begin += finished_rows) {
            const int64_t end = piece.row_end - begin < finished_rows ? piece.row_end : begin + finished_rows;
            // Tiles of equal size, or nearly so: a last one of a single row would waste the most.
            int64_t tiles = (end - begin + together - 1) / together;
            for (int64_t row = begin, count; row < end; row += count, --tiles) {
                count = (end - row + tiles - 1) / tiles;
                prefetch.some();
                // With few rows, the first of them bring a panel from memory.
                const bool streamed = row == piece.row_begin && piece.row_end - row < few_rows;
                multiply[streamed][count](units, blocks, values + row * row_bytes, beside + row * blocks,
                                          tile + (row - begin) * panel_columns);
            }
            finish_tile<V>(tile, end - begin, begin, first, columns, epilogue);
        }
    }
}

template <class I, class V, class Unit>
void gemm_quantized(const PackedWeights& weights, const Rows& rows, const Piece& piece,
                    const Epilogue& epilogue) {
    if constexpr (has_words<Unit>)
        multiply_rows<I, V, Unit>(weights, reinterpret_cast<const char*>(rows.words), weights.k * 2,
                                  rows.scales, piece, epilogue);
    else
        multiply_rows<I, V, Unit>(weights, reinterpret_cast<const char*>(rows.bytes), weights.k, rows.blocks,
                                  piece, epilogue);
}

}  // namespace ggml_transformers
