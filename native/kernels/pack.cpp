#include "kernels/pack.h"

#include <cmath>
#include <cstring>

#include "kernels/unit_values.h"

namespace ggml_transformers {

namespace {

// Calls convert(block, column, unit) for every block of a file's rows that is there.
template <class Unit, class Block, class Convert>
void pack_units(const void* rows, const PackedWeights& out, int64_t panel_begin, int64_t panel_end,
                Convert convert) {
    static_assert(alignof(Block) <= 4, "as tensors lie in files");
    const int64_t units = out.k / Unit::k;
    for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
        const int64_t first = panel * panel_columns;
        const int64_t columns = out.n - first < panel_columns ? out.n - first : panel_columns;
        auto* unit = const_cast<Unit*>(out.panel<Unit>(panel));
        for (int64_t u = 0; u < units; ++u, ++unit) {
            if (columns < panel_columns) std::memset(unit, 0, sizeof(Unit));
            for (int64_t c = 0; c < columns; ++c) {
                const Block* row = static_cast<const Block*>(rows) + (first + c) * units;
                convert(row[u], c, *unit);
            }
        }
    }
}

// ---- GGML's blocks

struct FileQ8_0 {
    uint16_t scale;
    uint8_t values[32];  // signed
};

struct FileQ4_0 {
    uint16_t scale;
    uint8_t values[16];  // k in the low half, k + 16 in the high half
};

struct FileQ5_0 {
    uint16_t scale;
    uint8_t high[4];     // bit k is the fifth of value k
    uint8_t values[16];  // as in FileQ4_0

    int value(int k) const {
        const int low = values[k % 16] >> (k / 16 * 4) & 15;
        return low | (high[k / 8] >> (k % 8) & 1) << 4;
    }
};

struct FileQ4_K {
    uint16_t d;
    uint16_t d_min;
    uint8_t scales[12];   // eight scales and eight minima of 6 bits
    uint8_t values[128];  // for each 64: k in the low half, k + 32 in the high half

    // The lower six bits of bytes 0 to 3 are the first four scales, those of bytes 4 to 7 the first four
    // minima; the rest is in bytes 8 to 11, with its upper two bits above those.
    uint8_t scale(int block) const {
        if (block < 4) return scales[block] & 63;
        return static_cast<uint8_t>((scales[block + 4] & 15) | (scales[block - 4] >> 6 << 4));
    }
    uint8_t min(int block) const {
        if (block < 4) return scales[block + 4] & 63;
        return static_cast<uint8_t>((scales[block + 4] >> 4) | (scales[block] >> 6 << 4));
    }
    int value(int block, int i) const { return values[block / 2 * 32 + i] >> (block % 2 * 4) & 15; }
};

struct FileQ6_K {
    uint8_t low[128];  // for each 128: k and k + 64 in the halves of 64 bytes
    uint8_t high[64];  // for each 128: k, k + 32, k + 64, k + 96 in the quarters of 32 bytes
    int8_t scales[16];
    uint16_t d;

    int low_bits(int block, int i) const {
        const int quarter = block % 4;
        return low[block / 4 * 64 + quarter % 2 * 32 + i] >> (quarter / 2 * 4) & 15;
    }
    int high_bits(int block, int i) const { return high[block / 4 * 32 + i] >> (block % 4 * 2) & 3; }
};

static_assert(sizeof(FileQ8_0) == 34 && sizeof(FileQ4_0) == 18 && sizeof(FileQ5_0) == 22 &&
                  sizeof(FileQ4_K) == 144 && sizeof(FileQ6_K) == 210,
              "as GGML has them");

void convert_block(const FileQ4_K& from, int block, int64_t column, UnitQ4_K::Block& to) {
    to.scales[column] = from.scale(block);
    to.mins[column] = from.min(block);
    for (int i = 0; i < 16; ++i)
        to.values[i / 4][column][i % 4] =
            static_cast<uint8_t>(from.value(block, i) | from.value(block, i + 16) << 4);
}

void convert_block(const FileQ6_K& from, int block, int64_t column, UnitQ6_K::Block& to) {
    for (int part = 0; part < 2; ++part) {
        to.scales[part][column] = from.scales[block * 2 + part];
        for (int i = 0; i < 8; ++i) {
            const int k = part * 16 + i;
            to.low[part * 2 + i / 4][column][i % 4] =
                static_cast<uint8_t>(from.low_bits(block, k) | from.low_bits(block, k + 8) << 4);
        }
    }
    for (int i = 0; i < 8; ++i) {
        int bits = 0;
        for (int quarter = 0; quarter < 4; ++quarter)
            bits |= from.high_bits(block, quarter * 8 + i) << quarter * 2;
        to.high[i / 4][column][i % 4] = static_cast<uint8_t>(bits);
    }
}

// ---- Halves to words

float float_of_bits(uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
}

struct Half {
    uint16_t bits;
    // What is not finite becomes infinity. Without branches, so that compilers make vectors of it.
    float value() const {
        const float size = float_of_bits((bits & 0x7fffu) << 13) * 0x1p112f;
        const float finite = bits & 0x8000u ? -size : size;
        return size < 65536.0f ? finite : float_of_bits(0x7f800000u);
    }
};

struct BFloat {
    uint16_t bits;
    float value() const { return float_of_bits(static_cast<uint32_t>(bits) << 16); }
};

template <class Value>
struct File16 {
    Value values[32];
};

template <class Value>
void convert_words(const File16<Value>& from, int64_t column, UnitQ16& to) {
    constexpr float most = 8191.0f;
    float values[32];
    for (int i = 0; i < 32; ++i) values[i] = from.values[i].value();
    uint32_t largest_bits = 0;  // magnitudes in the order of their bits: infinity and NaN beyond all numbers
    for (const float value : values) {
        uint32_t bits;
        std::memcpy(&bits, &value, sizeof(bits));
        bits &= 0x7fffffffu;
        largest_bits = largest_bits < bits ? bits : largest_bits;
    }
    const float largest = float_of_bits(largest_bits);
    const bool finite = largest_bits < 0x7f800000u;
    constexpr float smallest = 1e-30f;  // below this the reciprocal would not be finite
    const bool usable = finite && largest >= smallest;
    to.scales[column] = usable ? largest / most : finite ? 0.0f : float_of_bits(0x7fc00000u);
    const float reciprocal = usable ? most / largest : 0.0f;
    int32_t rounded[32];
    for (int i = 0; i < 32; ++i) {
        // Away from zero at ties: the same whatever the rounding mode.
        const float scaled = (usable ? values[i] : 0.0f) * reciprocal;
        rounded[i] = static_cast<int32_t>(scaled + std::copysign(0.5f, scaled));
    }
    for (int i = 0; i < 32; ++i) to.values[i / 2][column][i % 2] = static_cast<int16_t>(rounded[i]);
}

}  // namespace

void pack_q8_0(const void* rows, const PackedWeights& out, int64_t panel_begin, int64_t panel_end) {
    constexpr uint32_t bias_of_four = 0x80808080u;  // +128 on each of four bytes
    pack_units<UnitQ8_0, FileQ8_0>(rows, out, panel_begin, panel_end,
                                   [](const FileQ8_0& from, int64_t column, UnitQ8_0& to) {
                                       to.scales[column] = from.scale;
                                       uint32_t fours[8];
                                       std::memcpy(fours, from.values, sizeof(fours));
                                       for (int group = 0; group < 8; ++group) {
                                           const uint32_t biased = fours[group] ^ bias_of_four;
                                           std::memcpy(to.values[group][column], &biased, sizeof(biased));
                                       }
                                   });
}

void pack_q5_0(const void* rows, const PackedWeights& out, int64_t panel_begin, int64_t panel_end) {
    constexpr int bias = 128 - 16;  // of Q8_0's bytes, less this type's zero point
    pack_units<UnitQ8_0, FileQ5_0>(
        rows, out, panel_begin, panel_end, [](const FileQ5_0& from, int64_t column, UnitQ8_0& to) {
            to.scales[column] = from.scale;
            for (int k = 0; k < 32; ++k)
                to.values[k / 4][column][k % 4] = static_cast<uint8_t>(from.value(k) + bias);
        });
}

void pack_q4_0(const void* rows, const PackedWeights& out, int64_t panel_begin, int64_t panel_end) {
    pack_units<UnitQ4_0, FileQ4_0>(rows, out, panel_begin, panel_end,
                                   [](const FileQ4_0& from, int64_t column, UnitQ4_0& to) {
                                       to.scales[column] = from.scale;
                                       for (int group = 0; group < 4; ++group)
                                           std::memcpy(to.values[group][column], from.values + group * 4, 4);
                                   });
}

void pack_q4_k(const void* rows, const PackedWeights& out, int64_t panel_begin, int64_t panel_end) {
    pack_units<UnitQ4_K, FileQ4_K>(rows, out, panel_begin, panel_end,
                                   [](const FileQ4_K& from, int64_t column, UnitQ4_K& to) {
                                       to.d[column] = from.d;
                                       to.d_min[column] = from.d_min;
                                       for (int block = 0; block < 8; ++block)
                                           convert_block(from, block, column, to.blocks[block]);
                                   });
}

void pack_q6_k(const void* rows, const PackedWeights& out, int64_t panel_begin, int64_t panel_end) {
    pack_units<UnitQ6_K, FileQ6_K>(rows, out, panel_begin, panel_end,
                                   [](const FileQ6_K& from, int64_t column, UnitQ6_K& to) {
                                       to.d[column] = from.d;
                                       for (int block = 0; block < 8; ++block)
                                           convert_block(from, block, column, to.blocks[block]);
                                   });
}

void pack_f16(const void* rows, const PackedWeights& out, int64_t panel_begin, int64_t panel_end) {
    pack_units<UnitQ16, File16<Half>>(rows, out, panel_begin, panel_end, convert_words<Half>);
}

void pack_bf16(const void* rows, const PackedWeights& out, int64_t panel_begin, int64_t panel_end) {
    pack_units<UnitQ16, File16<BFloat>>(rows, out, panel_begin, panel_end, convert_words<BFloat>);
}

void pack_f32(const void* rows, const PackedWeights& out, int64_t panel_begin, int64_t panel_end) {
    constexpr int64_t together = 16;  // a cache line of a row at a time
    const int64_t k = out.k;
    for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
        const int64_t first = panel * panel_columns;
        const int64_t columns = out.n - first < panel_columns ? out.n - first : panel_columns;
        const float* from = static_cast<const float*>(rows) + first * k;
        auto* to = const_cast<UnitF32*>(out.panel<UnitF32>(panel));
        if (columns < panel_columns) std::memset(to, 0, sizeof(UnitF32) * static_cast<size_t>(k));
        for (int64_t begin = 0; begin < k; begin += together) {
            const int64_t end = begin + together < k ? begin + together : k;
            for (int64_t c = 0; c < columns; ++c)
                for (int64_t i = begin; i < end; ++i) to[i].values[c] = from[c * k + i];
        }
    }
}

namespace {

template <class Unit>
void unpack_units(const PackedWeights& weights, int64_t row, float* out) {
    const Unit* unit = weights.panel<Unit>(row / panel_columns);
    const int64_t column = row % panel_columns;
    for (int64_t begin = 0; begin < weights.k; begin += Unit::k, ++unit) {
        for (int64_t i = 0; i < Unit::k; ++i) {
            const auto value = static_cast<float>(scalar::value_of(*unit, i, column));
            out[begin + i] = scalar::scale_of(*unit, i, column) * value - scalar::min_of(*unit, i, column);
        }
    }
}

}  // namespace

void unpack_row(const PackedWeights& weights, int64_t row, float* out) {
    switch (weights.format) {
        case Format::Q8_0:
            return unpack_units<UnitQ8_0>(weights, row, out);
        case Format::Q4_0:
            return unpack_units<UnitQ4_0>(weights, row, out);
        case Format::Q4_K:
            return unpack_units<UnitQ4_K>(weights, row, out);
        case Format::Q6_K:
            return unpack_units<UnitQ6_K>(weights, row, out);
        case Format::Q16:
            return unpack_units<UnitQ16>(weights, row, out);
        case Format::F32: {
            const UnitF32* unit = weights.panel<UnitF32>(row / panel_columns);
            for (int64_t i = 0; i < weights.k; ++i) out[i] = unit[i].values[row % panel_columns];
            return;
        }
    }
}

}  // namespace ggml_transformers
