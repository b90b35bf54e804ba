// The AVX2 table; the kernels that work on vectors of 16 floats are instantiated here.
#include "kernels/attention_f32.h"
#include "kernels/epilogue.h"
#include "kernels/norm_f32.h"
#include "kernels/quantize_q8.h"
#include "kernels/simd_avx2.h"
#include "kernels/tables.h"

namespace ggml_transformers::avx2 {

const Kernels table = {
    "AVX2", quantize_row<F32x16>, gemm_q8, gemm_f32, norm_row<F32x16>, finish_row<F32x16>, attention<F32x16>,
};

}  // namespace ggml_transformers::avx2
