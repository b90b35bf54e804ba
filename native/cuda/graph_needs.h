// What GGML's CUDA backend needs to compute a graph, apart from memory for its tensors. It ends the process
// where that is missing, so it is asked for beforehand.
#pragma once

#include <cstdint>

#include "cuda/cuda_device.h"
#include "engine/ggml_ptr.h"

namespace ggml_transformers {

struct CudaNeeds {
    // The first product that only cuBLAS can compute, or null.
    const ggml_tensor* cublas = nullptr;
    // An upper bound of the bytes that kernels take for conversions and partial results.
    uint64_t scratch = 0;
};

CudaNeeds cuda_needs(ggml_cgraph* graph, const CudaCapability& capability);

}  // namespace ggml_transformers
