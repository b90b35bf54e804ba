// The tables of both NEON instruction sets; the kernels that work on vectors of 16 floats are instantiated
// here, for both.
#include "kernels/attention_f32.h"
#include "kernels/epilogue.h"
#include "kernels/gemm_neon.h"
#include "kernels/norm_f32.h"
#include "kernels/quantize_rows.h"
#include "kernels/simd_neon.h"
#include "kernels/tables.h"
#include "kernels/widen_bytes.h"

namespace ggml_transformers {

namespace neon {

void finish_products(float* tile, int64_t rows, int64_t row, int64_t column, int64_t columns,
                     const Epilogue& epilogue) {
    finish_tile<F32x16>(tile, rows, row, column, columns, epilogue);
}

const Kernels table = {
    "NEON-DOTPROD",
    quantize_row<F32x16>,
    quantize_row_words<F32x16>,
    {
        gemm_bytes<UnitQ8_0>,
        gemm_bytes<UnitQ4_0>,
        gemm_bytes<UnitQ4_K>,
        gemm_bytes<UnitQ6_K>,
        gemm_q16,
        gemm_f32,
    },
    norm_row<F32x16>,
    finish_row<F32x16>,
    attention<F32x16>,
    widen_key_bytes<F32x16>,
    widen_value_bytes<F32x16>,
};

}  // namespace neon

namespace neon_i8mm {

const Kernels table = {
    "NEON-I8MM",
    quantize_row<neon::F32x16>,
    quantize_row_words<neon::F32x16>,
    {
        gemm_bytes<UnitQ8_0>,
        gemm_bytes<UnitQ4_0>,
        gemm_bytes<UnitQ4_K>,
        gemm_bytes<UnitQ6_K>,
        neon::gemm_q16,
        neon::gemm_f32,
    },
    norm_row<neon::F32x16>,
    finish_row<neon::F32x16>,
    attention<neon::F32x16>,
    widen_key_bytes<neon::F32x16>,
    widen_value_bytes<neon::F32x16>,
};

}  // namespace neon_i8mm

}  // namespace ggml_transformers
