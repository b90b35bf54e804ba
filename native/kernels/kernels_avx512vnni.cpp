// The AVX512-VNNI table; the kernels over vectors of any instruction set are instantiated here.
#define KERNEL_NAMESPACE avx512

#include "kernels/attention_f32.h"
#include "kernels/dot_avx512.h"
#include "kernels/epilogue.h"
#include "kernels/gemm_f32.h"
#include "kernels/gemm_quantized.h"
#include "kernels/norm_f32.h"
#include "kernels/quantize_rows.h"
#include "kernels/simd_avx512.h"
#include "kernels/tables.h"
#include "kernels/widen_bytes.h"

namespace ggml_transformers::avx512 {

const Kernels table = {
    "AVX512-VNNI",
    quantize_row<F32x16>,
    quantize_row_words<F32x16>,
    {
        gemm_quantized<Dots, F32x16, UnitQ8_0>,
        gemm_quantized<Dots, F32x16, UnitQ4_0>,
        gemm_quantized<Dots, F32x16, UnitQ4_K>,
        gemm_quantized<Dots, F32x16, UnitQ6_K>,
        gemm_quantized<Dots, F32x16, UnitQ16>,
        gemm_f32<Dots, F32x16>,
    },
    norm_row<F32x16>,
    finish_row<F32x16>,
    attention<F32x16>,
    widen_key_bytes<F32x16>,
    widen_value_bytes<F32x16>,
};

}  // namespace ggml_transformers::avx512
