// The scalar table; the kernels that work on vectors of 16 floats are instantiated here.
#include "kernels/attention_f32.h"
#include "kernels/epilogue.h"
#include "kernels/norm_f32.h"
#include "kernels/quantize_rows.h"
#include "kernels/simd_scalar.h"
#include "kernels/tables.h"
#include "kernels/widen_bytes.h"

namespace ggml_transformers::scalar {

const Kernels table = {
    "scalar",
    quantize_row<F32x16>,
    quantize_row_words<F32x16>,
    {gemm<UnitQ8_0>, gemm<UnitQ4_0>, gemm<UnitQ4_K>, gemm<UnitQ6_K>, gemm<UnitQ16>, gemm<UnitF32>},
    norm_row<F32x16>,
    finish_row<F32x16>,
    attention<F32x16>,
    widen_key_bytes<F32x16>,
    widen_value_bytes<F32x16>,
};

}  // namespace ggml_transformers::scalar
