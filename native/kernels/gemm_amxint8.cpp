// Products with the tiles of AMX, which multiply 16 rows of bytes with 16 columns at once: Q8_0, Q4_0 and
// Q4_K.
//
// Tiles hold sums of whole numbers, exact as everywhere; vectors then apply the scales in the order that
// kernels.h gives. They share a port: of each block of 32 values along K, it is taken for some 44 cycles by a
// tile's loads, product and store, and for 24 by scaling the sums (measured on an Intel Xeon with AMX, where
// the whole takes 65 cycles, and vectors alone 90). Hence nothing else is left to the inner loop: weights are
// unpacked to signed bytes, which need no zero point, and their scales to floats, for many rows at once.
#define KERNEL_NAMESPACE amx

#include <immintrin.h>

#include "kernels/dot_avx512.h"
#include "kernels/gemm_quantized.h"
#include "kernels/simd_avx512.h"
#include "kernels/tables.h"

namespace ggml_transformers::amx {

namespace {

constexpr int64_t tile_rows = 16;
// Worked on together: rows, and blocks along K, which leave room in the first cache when they are unpacked.
constexpr int64_t most_rows = 128;
constexpr int64_t chunk_blocks = 16;

// Some blocks of a panel's columns, unpacked.
struct alignas(64) Chunk {
    int8_t bytes[chunk_blocks][8][panel_columns][4];  // groups of four along K, as tiles take them
    float scales[chunk_blocks][panel_columns];
    float mins[chunk_blocks][panel_columns];
};

inline void unpack_bytes(const UnitQ8_0& unit, int, int g, int64_t column, Chunk& to, int64_t b) {
    const __m512i zero_point = _mm512_set1_epi8(static_cast<char>(128));
    for (const int half : {0, 4}) {
        const __m512i bytes = Dots::load(unit.values[g + half][column]);
        _mm512_store_si512(to.bytes[b][g + half][column], _mm512_xor_si512(bytes, zero_point));
    }
}

inline void unpack_nibbles(const uint8_t (&values)[4][32][4], int8_t zero_point, int g, int64_t column,
                           Chunk& to, int64_t b) {
    const __m512i both = Dots::load(values[g][column]), zero = _mm512_set1_epi8(zero_point);
    _mm512_store_si512(to.bytes[b][g][column], _mm512_sub_epi8(Dots::low_nibbles(both), zero));
    _mm512_store_si512(to.bytes[b][g + 4][column], _mm512_sub_epi8(Dots::high_nibbles(both), zero));
}

inline void unpack_bytes(const UnitQ4_0& unit, int, int g, int64_t column, Chunk& to, int64_t b) {
    unpack_nibbles(unit.values, 8, g, column, to, b);
}

inline void unpack_bytes(const UnitQ4_K& unit, int block, int g, int64_t column, Chunk& to, int64_t b) {
    unpack_nibbles(unit.blocks[block].values, 0, g, column, to, b);
}

template <class Unit>
void unpack(const Unit* units, int64_t blocks, Chunk& to) {
    using R = Reader<Unit>;
    for (int64_t b = 0; b < blocks; ++b) {
        const Unit& unit = units[b / R::blocks];
        const int block = static_cast<int>(b % R::blocks);
        for (int64_t column = 0; column < panel_columns; column += Dots::columns) {
            for (int g = 0; g < 4; ++g) unpack_bytes(unit, block, g, column, to, b);
            Dots::store(to.scales[b] + column, R::template scales<Dots>(unit, block, 0, column));
            if constexpr (R::has_mins)
                Dots::store(to.mins[b] + column, R::template mins<Dots>(unit, block, column));
        }
    }
    KERNEL_WRITTEN(&to);
}

// What LDTILECFG reads: two tiles of sums, so that one can be stored while the other grows, two of rows, two
// of columns.
struct alignas(64) TileConfig {
    uint8_t palette = 1;
    uint8_t start_row = 0;
    uint8_t reserved[14] = {};
    uint16_t row_bytes[16] = {64, 64, quant_block, quant_block, 64, 64};
    uint8_t rows[16] = {tile_rows, tile_rows, tile_rows, tile_rows, quant_block / 4, quant_block / 4};
};

void configure_tiles() {
    const TileConfig config;
    KERNEL_WRITTEN(&config);
    _tile_loadconfig(&config);
}

// 16 rows and 16 columns of a chunk.
struct Place {
    const int8_t* values;  // of the first row, at the chunk's first block
    int64_t k;             // bytes of a row
    const ByteBlock* beside;
    int64_t column;
    float* totals;  // [16 rows][32]
};

// Where the sums of two blocks go: one is written while the other is read.
using Sums = int32_t[2][tile_rows * 16];

// Sends out the sums of a block. Numbers of registers are literals.
#define MULTIPLY_TILES(sum, rows, columns)                                     \
    _tile_loadd(rows, at.values + block * quant_block, at.k);                  \
    _tile_loadd(columns, chunk.bytes[block][0][at.column], 4 * panel_columns); \
    _tile_zero(sum);                                                           \
    _tile_dpbssd(sum, rows, columns);                                          \
    _tile_stored(sum, sums[sum], 64)

template <int which>
KERNEL_INLINE inline void multiply_block(const Chunk& chunk, const Place& at, int64_t block, Sums& sums) {
    if constexpr (which == 0) {
        MULTIPLY_TILES(0, 2, 4);
    } else {
        MULTIPLY_TILES(1, 3, 5);
    }
}
#undef MULTIPLY_TILES

// What stands beside a block of each row. Few pointers, which stay in registers: GCC would compute all 16
// every time.
struct BesideRows {
    const char* at[4];  // rows 0, 4, 8, 12
    int64_t stride;
    int64_t stride_3;

    explicit BesideRows(const Place& place)
        : stride(place.k / quant_block * static_cast<int64_t>(sizeof(ByteBlock))), stride_3(3 * stride) {
        for (int i = 0; i < 4; ++i) at[i] = reinterpret_cast<const char*>(place.beside) + 4 * i * stride;
    }
    KERNEL_INLINE void next() {
        KERNEL_UNROLL
        for (const char*& each : at) {
            each += sizeof(ByteBlock);
            KERNEL_KEEP_POINTER(each);
        }
        KERNEL_KEEP_POINTER(stride);
        KERNEL_KEEP_POINTER(stride_3);
    }
    KERNEL_INLINE const ByteBlock& operator[](int row) const {
        const int64_t further = row % 4 == 3 ? stride_3 : row % 4 * stride;
        return *reinterpret_cast<const ByteBlock*>(at[row / 4] + further);
    }
};

// Scales the sums and adds them to the totals.
template <bool has_mins>
KERNEL_INLINE inline void add_block(const int32_t* sums, const Chunk& chunk, int64_t b, int64_t column,
                                    const BesideRows& beside, __m512 (&total)[tile_rows]) {
    const __m512 scales = _mm512_load_ps(chunk.scales[b] + column);
    KERNEL_UNROLL
    for (int r = 0; r < tile_rows; ++r) {
        const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(beside[r].scale));
        total[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums + r * 16)), scale, total[r]);
    }
    if constexpr (has_mins) {
        const __m512 mins = _mm512_load_ps(chunk.mins[b] + column);
        KERNEL_UNROLL
        for (int r = 0; r < tile_rows; ++r)
            total[r] = _mm512_fmadd_ps(mins, _mm512_set1_ps(beside[r].scaled_sum), total[r]);
    }
}

// Adds the products over a chunk to the totals. The sums of the first block have been sent out; those of
// `next`, if there is one, are sent out before the last are added, so that they are there when it is its
// turn.
template <bool has_mins>
void multiply_chunk(const Chunk& chunk, int64_t blocks, const Place& at, const Place* next, Sums& sums) {
    __m512 total[tile_rows];
    KERNEL_UNROLL
    for (int r = 0; r < tile_rows; ++r) total[r] = _mm512_load_ps(at.totals + r * panel_columns + at.column);
    BesideRows beside(at);
    const auto add = [&](int64_t b) KERNEL_INLINE {
        add_block<has_mins>(sums[b % 2], chunk, b, at.column, beside, total);
        beside.next();
    };
    for (int64_t b = 0; b + 1 < blocks; b += 2) {
        multiply_block<1>(chunk, at, b + 1, sums);
        add(b);
        if (b + 2 < blocks) {
            multiply_block<0>(chunk, at, b + 2, sums);
        } else if (next != nullptr) {
            multiply_block<0>(chunk, *next, 0, sums);
        }
        add(b + 1);
    }
    if (blocks % 2 == 1) {
        add(blocks - 1);
        if (next != nullptr) multiply_block<0>(chunk, *next, 0, sums);
    }
    KERNEL_UNROLL
    for (int r = 0; r < tile_rows; ++r) _mm512_store_ps(at.totals + r * panel_columns + at.column, total[r]);
}

// The products of `tiles` times 16 rows with a panel's columns, [rows][32].
template <class Unit>
void multiply_tiles(const Unit* units, const int8_t* values, const ByteBlock* beside, int64_t k,
                    int64_t tiles, Prefetch& prefetch, float* totals) {
    const int64_t row_blocks = k / quant_block;
    memset(totals, 0, static_cast<size_t>(tiles * tile_rows * panel_columns) * sizeof(float));
    Chunk chunk;
    alignas(64) Sums sums;
    for (int64_t b = 0; b < row_blocks; b += chunk_blocks) {
        const int64_t blocks = row_blocks - b < chunk_blocks ? row_blocks - b : chunk_blocks;
        unpack(units + b / Reader<Unit>::blocks, blocks, chunk);
        const auto place = [&](int64_t index) {
            const int64_t row = index / 2 * tile_rows;
            return Place{values + row * k + b * quant_block, k, beside + row * row_blocks + b, index % 2 * 16,
                         totals + row * panel_columns};
        };
        Place at = place(0);
        multiply_block<0>(chunk, at, 0, sums);
        for (int64_t index = 1; index <= 2 * tiles; ++index) {
            const Place next = place(index);
            prefetch.some();
            multiply_chunk<Reader<Unit>::has_mins>(chunk, blocks, at, index < 2 * tiles ? &next : nullptr,
                                                   sums);
            at = next;
        }
    }
}

// The same for rows that make no whole tile, which vectors alone do faster than a tile with rows to spare
// would.
template <class Unit>
void multiply_rest(const Unit* units, const int8_t* values, const ByteBlock* beside, int64_t k, int64_t rows,
                   float* totals) {
    using MultiplyTile = void (*)(const Unit*, int64_t, const char*, const ByteBlock*, float*);
    constexpr MultiplyTile multiply[] = {
        multiply_tile<Dots, Unit, 1, false>, multiply_tile<Dots, Unit, 2, false>,
        multiply_tile<Dots, Unit, 3, false>, multiply_tile<Dots, Unit, 4, false>};
    const int64_t blocks = k / quant_block;
    for (int64_t row = 0, together; row < rows; row += together) {
        together = rows - row < 4 ? rows - row : 4;
        multiply[together - 1](units, blocks, reinterpret_cast<const char*>(values + row * k),
                               beside + row * blocks, totals + row * panel_columns);
    }
}

}  // namespace

template <class Unit>
void gemm(const PackedWeights& weights, const Rows& rows, const Piece& piece, const Epilogue& epilogue) {
    const int64_t all = piece.row_end - piece.row_begin, k = weights.k, blocks = k / quant_block;
    if (all < tile_rows) return gemm_quantized<Dots, F32x16, Unit>(weights, rows, piece, epilogue);
    configure_tiles();
    // As often as some of the next panel is fetched.
    const int64_t steps = all / tile_rows * 2 * ((blocks + chunk_blocks - 1) / chunk_blocks);
    alignas(64) float totals[most_rows * panel_columns];
    for (int64_t panel = piece.panel_begin; panel < piece.panel_end; ++panel) {
        const Unit* units = weights.panel<Unit>(panel);
        Prefetch prefetch;
        if (piece.ahead > 0) prefetch = prefetch_panel<Unit>(weights, panel + piece.ahead, steps);
        const int64_t first = panel * panel_columns;
        const int64_t columns = weights.n - first < panel_columns ? weights.n - first : panel_columns;
        for (int64_t begin = piece.row_begin; begin < piece.row_end; begin += most_rows) {
            const int64_t count = piece.row_end - begin < most_rows ? piece.row_end - begin : most_rows;
            const int64_t tiles = count / tile_rows, rest = begin + tiles * tile_rows;
            if (tiles > 0)
                multiply_tiles(units, rows.bytes + begin * k, rows.blocks + begin * blocks, k, tiles,
                               prefetch, totals);
            multiply_rest(units, rows.bytes + rest * k, rows.blocks + rest * blocks, k, count % tile_rows,
                          totals + tiles * tile_rows * panel_columns);
            finish_tile<F32x16>(totals, count, begin, first, columns, epilogue);
        }
    }
    _tile_release();
}

template void gemm<UnitQ8_0>(const PackedWeights&, const Rows&, const Piece&, const Epilogue&);
template void gemm<UnitQ4_0>(const PackedWeights&, const Rows&, const Piece&, const Epilogue&);
template void gemm<UnitQ4_K>(const PackedWeights&, const Rows&, const Piece&, const Epilogue&);

}  // namespace ggml_transformers::amx
