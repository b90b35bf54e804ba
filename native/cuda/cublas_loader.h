// cuBLAS, opened when it is first used: it is ten times as large as this addon, and quantized weights rarely
// need it.
#pragma once

namespace ggml_transformers {

// Opens libcublas 13 or 12 on the first call. Whether it is there and has all that GGML's CUDA backend calls.
bool cublas_is_available();

}  // namespace ggml_transformers
