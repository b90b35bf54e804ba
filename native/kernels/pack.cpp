#include "kernels/pack.h"

#include <cstring>

#include "kernels/kernels.h"

namespace ggml_transformers {

namespace {

constexpr int64_t q8_0_bytes = 2 + quant_block;
constexpr uint32_t bias_of_four = 0x80808080u;  // +128 on each of four bytes

}  // namespace

void pack_q8_0(const void* q8_0_rows, int64_t k, int64_t n, int64_t panel_begin, int64_t panel_end,
               uint8_t* out) {
    const int64_t blocks = k / quant_block;
    const int64_t row_bytes = blocks * q8_0_bytes;
    for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
        const uint8_t* rows = static_cast<const uint8_t*>(q8_0_rows) + panel * panel_columns * row_bytes;
        const int64_t columns =
            n - panel * panel_columns < panel_columns ? n - panel * panel_columns : panel_columns;
        for (int64_t b = 0; b < blocks; ++b) {
            uint8_t* block = out + (panel * blocks + b) * PackedQ8::block_bytes;
            if (columns < panel_columns) {
                std::memset(block, 0x80, quant_block * panel_columns);
                std::memset(block + quant_block * panel_columns, 0, panel_columns * 2);
            }
            for (int64_t c = 0; c < columns; ++c) {
                const uint8_t* from = rows + c * row_bytes + b * q8_0_bytes;
                std::memcpy(block + quant_block * panel_columns + c * 2, from, 2);
                uint32_t fours[quant_block / 4];
                std::memcpy(fours, from + 2, sizeof(fours));
                for (int64_t s = 0; s < quant_block / 4; ++s) {
                    const uint32_t biased = fours[s] ^ bias_of_four;
                    std::memcpy(block + (s * panel_columns + c) * 4, &biased, sizeof(biased));
                }
            }
        }
    }
}

void pack_f32(const float* rows, int64_t row_stride, int64_t k, int64_t n, int64_t panel_begin,
              int64_t panel_end, float* out) {
    constexpr int64_t together = 16;  // a cache line of a row at a time
    for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
        const float* from = rows + panel * panel_columns * row_stride;
        float* to = out + panel * panel_columns * k;
        const int64_t columns =
            n - panel * panel_columns < panel_columns ? n - panel * panel_columns : panel_columns;
        if (columns < panel_columns)
            std::memset(to, 0, sizeof(float) * static_cast<size_t>(panel_columns * k));
        for (int64_t begin = 0; begin < k; begin += together) {
            const int64_t end = begin + together < k ? begin + together : k;
            for (int64_t c = 0; c < columns; ++c)
                for (int64_t i = begin; i < end; ++i) to[i * panel_columns + c] = from[c * row_stride + i];
        }
    }
}

}  // namespace ggml_transformers
