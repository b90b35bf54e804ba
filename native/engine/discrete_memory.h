// Memory of the CPU's that is handled as a graphics card's: it can be touched only while a graph is computed
// or through GGML's copies. Tests run the path of GPUs on it; whatever else reads or writes it ends the
// process.
#pragma once

#include "engine/ggml_ptr.h"

namespace ggml_transformers {

ggml_backend_buffer_type_t discrete_buffer_type();

// Lets graphs be computed there as long as it lives.
class DiscreteAccess {
 public:
    DiscreteAccess();
    ~DiscreteAccess();
    DiscreteAccess(const DiscreteAccess&) = delete;
    DiscreteAccess& operator=(const DiscreteAccess&) = delete;
};

}  // namespace ggml_transformers
