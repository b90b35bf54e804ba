// What the products of both NEON instruction sets share. All of it has internal linkage, or stands in a file
// that is compiled for the lesser one.
#pragma once

#include <arm_neon.h>
#include <stdint.h>

#include "kernels/kernels.h"

namespace ggml_transformers::neon {

// Blocks of K that are multiplied with all columns of a panel before the next: they stay in the first cache.
constexpr int64_t blocks_together = 16;

// Finishes and stores a tile [rows][32] of products, of which `columns` exist, for the output at (row,
// column).
void finish_products(const float* tile, int64_t rows, int64_t row, int64_t column, int64_t columns,
                     const Epilogue& epilogue);

namespace {

// The scales of four columns of a block.
inline float32x4_t load_scales(const uint8_t* block, int64_t column) {
    const uint8_t* halves = block + quant_block * panel_columns + column * 2;
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(halves)));
}

}  // namespace

}  // namespace ggml_transformers::neon
