// The kernels of each instruction set, for its table. One namespace an instruction set: what is compiled with
// its flags must never be taken by the linker for code that runs elsewhere, so these files also keep away
// from inline functions and templates of the standard library.
#pragma once

#include "kernels/kernels.h"

namespace ggml_transformers {

#define GGML_TRANSFORMERS_GEMMS                                                                          \
    void gemm_q8(const PackedQ8& weights, const QuantizedRows& rows, int64_t row_begin, int64_t row_end, \
                 int64_t panel_begin, int64_t panel_end, const Epilogue& epilogue);                      \
    void gemm_f32(const PackedF32& weights, const float* x, int64_t x_stride, int64_t row_begin,         \
                  int64_t row_end, int64_t panel_begin, int64_t panel_end, const Epilogue& epilogue);

namespace scalar {
GGML_TRANSFORMERS_GEMMS
extern const Kernels table;
}  // namespace scalar

namespace avx2 {
GGML_TRANSFORMERS_GEMMS
extern const Kernels table;
}  // namespace avx2

namespace avx512 {
GGML_TRANSFORMERS_GEMMS
extern const Kernels table;
}  // namespace avx512

// With the dot product extension.
namespace neon {
GGML_TRANSFORMERS_GEMMS
extern const Kernels table;
}  // namespace neon

// With the integer matrix multiplication too, which only whole numbers gain from.
namespace neon_i8mm {
void gemm_q8(const PackedQ8& weights, const QuantizedRows& rows, int64_t row_begin, int64_t row_end,
             int64_t panel_begin, int64_t panel_end, const Epilogue& epilogue);
extern const Kernels table;
}  // namespace neon_i8mm

#undef GGML_TRANSFORMERS_GEMMS

}  // namespace ggml_transformers
