// How weights are packed for the kernels: in panels of 32 output columns, each a stream of units along K.
// Columns beyond N are zero. Whole numbers lie in groups of four along K (pairs for words), as the
// processors' dot products take them: [group][32 columns][4].
#pragma once

#include <stdint.h>

namespace ggml_transformers {

constexpr int64_t panel_columns = 32;  // output columns that a panel of packed weights holds

// The form a format's activations come in (Rows).
enum class RowForm : uint8_t { Floats, Bytes, Words };

enum class Format : uint8_t { Q8_0, Q4_0, Q4_K, Q6_K, Q16, F32 };
constexpr int format_count = 6;

// Q8_0: w = scale * (value - 128). As many bytes as in the file.
struct UnitQ8_0 {
    static constexpr Format format = Format::Q8_0;
    static constexpr int64_t k = 32;
    uint8_t values[8][32][4];
    uint16_t scales[32];  // half precision
};

// Q4_0: w = scale * (value - 8). As many bytes as in the file.
struct UnitQ4_0 {
    static constexpr Format format = Format::Q4_0;
    static constexpr int64_t k = 32;
    uint8_t values[4][32][4];  // group g in the low half of each byte, group g + 4 in the high half
    uint16_t scales[32];       // half precision
};

// Q4_K: w = d * scale * value - d_min * min. 2.8 % more bytes than in the file: its scales of 6 bits are not
// packed.
struct UnitQ4_K {
    static constexpr Format format = Format::Q4_K;
    static constexpr int64_t k = 256;
    struct Block {
        uint8_t values[4][32][4];  // as in UnitQ4_0
        uint8_t scales[32];
        uint8_t mins[32];
    };
    Block blocks[8];
    uint16_t d[32];  // half precision
    uint16_t d_min[32];
};

// Q6_K: w = d * scale * (value - 32), a scale for 16 values. As many bytes as in the file.
struct UnitQ6_K {
    static constexpr Format format = Format::Q6_K;
    static constexpr int64_t k = 256;
    struct Block {
        uint8_t low[4][32][4];   // four bits: groups g and g + 2 (g = 0, 1), then g + 2 and g + 4 (g = 2, 3)
        uint8_t high[2][32][4];  // two bits: groups g, g + 2, g + 4, g + 6 from the lowest bits on
        int8_t scales[2][32];    // of groups 0 to 3, of groups 4 to 7
    };
    Block blocks[8];
    uint16_t d[32];  // half precision
};

// F16 and BF16: w = scale * value, value in [-8191, 8191], scale = the largest magnitude of 32 / 8191. 6.3 %
// more bytes than in the file. Twice as fast as floats where dot products of words are, and ten times closer
// to the exact result than rounding the activations to BF16 would be.
struct UnitQ16 {
    static constexpr Format format = Format::Q16;
    static constexpr int64_t k = 32;
    int16_t values[16][32][2];
    float scales[32];
};

// F32: as they are.
struct UnitF32 {
    static constexpr Format format = Format::F32;
    static constexpr int64_t k = 1;
    float values[32];
};

static_assert(sizeof(UnitQ8_0) == 32 * 34, "as in the file");
static_assert(sizeof(UnitQ4_0) == 32 * 18, "as in the file");
static_assert(sizeof(UnitQ4_K) == 32 * 148, "without padding");
static_assert(sizeof(UnitQ6_K) == 32 * 210, "as in the file");
static_assert(sizeof(UnitQ16) == 32 * 68, "without padding");

struct FormatInfo {
    Format format;
    const char* name;
    RowForm rows;
    int64_t unit_k;      // values along K that a unit holds; K is a multiple of it
    int64_t unit_bytes;  // of 32 columns
};

// The one list of formats: kernels, checks and measurements go by it.
constexpr FormatInfo formats[format_count] = {
    {Format::Q8_0, "Q8_0", RowForm::Bytes, UnitQ8_0::k, sizeof(UnitQ8_0)},
    {Format::Q4_0, "Q4_0", RowForm::Bytes, UnitQ4_0::k, sizeof(UnitQ4_0)},
    {Format::Q4_K, "Q4_K", RowForm::Bytes, UnitQ4_K::k, sizeof(UnitQ4_K)},
    {Format::Q6_K, "Q6_K", RowForm::Bytes, UnitQ6_K::k, sizeof(UnitQ6_K)},
    {Format::Q16, "Q16", RowForm::Words, UnitQ16::k, sizeof(UnitQ16)},
    {Format::F32, "F32", RowForm::Floats, UnitF32::k, sizeof(UnitF32)},
};

constexpr const FormatInfo& info(Format format) { return formats[static_cast<int>(format)]; }

// Weights [N, K] in panels.
struct PackedWeights {
    Format format = Format::F32;
    int64_t k = 0;
    int64_t n = 0;
    const void* data = nullptr;  // 64-byte aligned

    int64_t panels() const { return (n + panel_columns - 1) / panel_columns; }
    int64_t panel_bytes() const { return k / info(format).unit_k * info(format).unit_bytes; }
    int64_t bytes() const { return panels() * panel_bytes(); }

    template <class Unit>
    const Unit* panel(int64_t index) const {
        return static_cast<const Unit*>(data) + index * (k / Unit::k);
    }
};

}  // namespace ggml_transformers
