// What CUDA says of a GPU and GGML does not pass on.
#pragma once

#include <string>

#include "engine/ggml_ptr.h"

namespace ggml_transformers {

// A GPU's generation, as 90 for 9.0. This build has code for some of them, and code that drivers translate
// for those that came later.
struct CudaCapability {
    int version = 0;  // 0: the driver does not say

    std::string name() const;
    bool is_supported() const;
    // Why not, and what to do.
    std::string refusal() const;
};

// Of a device of GGML's CUDA backend.
CudaCapability cuda_capability(ggml_backend_dev_t device);

}  // namespace ggml_transformers
