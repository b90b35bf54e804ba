// Weights, from the order of files into the panels that the kernels stream (formats.h). Any range of panels
// packs on its own, so that threads share the work.
#pragma once

#include <cstdint>

#include "kernels/formats.h"

namespace ggml_transformers {

// Packs panels [panel_begin, panel_end) of `rows`, [N] rows of K values in a file's type, to where
// `out.data`, 64-byte aligned memory of out.bytes(), is.
using Pack = void (*)(const void* rows, const PackedWeights& out, int64_t panel_begin, int64_t panel_end);

// From the types of the same names: half-precision scales and bytes or nibbles, GGML's blocks.
void pack_q8_0(const void* rows, const PackedWeights& out, int64_t panel_begin, int64_t panel_end);
void pack_q4_0(const void* rows, const PackedWeights& out, int64_t panel_begin, int64_t panel_end);
void pack_q4_k(const void* rows, const PackedWeights& out, int64_t panel_begin, int64_t panel_end);
void pack_q6_k(const void* rows, const PackedWeights& out, int64_t panel_begin, int64_t panel_end);

// To Q8_0, whose bytes hold its five bits: as exact and as fast, in one and a half times the file's memory.
void pack_q5_0(const void* rows, const PackedWeights& out, int64_t panel_begin, int64_t panel_end);

// To Q16. What is not finite makes its block's scale so, and with it all its products.
void pack_f16(const void* rows, const PackedWeights& out, int64_t panel_begin, int64_t panel_end);
void pack_bf16(const void* rows, const PackedWeights& out, int64_t panel_begin, int64_t panel_end);

void pack_f32(const void* rows, const PackedWeights& out, int64_t panel_begin, int64_t panel_end);

// Row `row` of the weights, [K], as the file had it; of Q16, which rounds, what is left of it.
void unpack_row(const PackedWeights& weights, int64_t row, float* out);

}  // namespace ggml_transformers
