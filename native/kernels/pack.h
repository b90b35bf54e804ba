// Weights, from the order of files into the panels that the kernels stream. Any range of panels packs on its
// own, so that threads share the work.
#pragma once

#include <cstdint>

namespace ggml_transformers {

// Packs panels [panel_begin, panel_end) of Q8_0 rows [n][k / 32 blocks of a half-precision scale and 32
// bytes] into `out`, the start of all panels (PackedQ8::data).
void pack_q8_0(const void* q8_0_rows, int64_t k, int64_t n, int64_t panel_begin, int64_t panel_end,
               uint8_t* out);

// Packs panels [panel_begin, panel_end) of F32 rows [n][k], `row_stride` floats apart, into `out`, the start
// of all panels (PackedF32::data).
void pack_f32(const float* rows, int64_t row_stride, int64_t k, int64_t n, int64_t panel_begin,
              int64_t panel_end, float* out);

}  // namespace ggml_transformers
