// How fast the products' kernels run when nothing but arithmetic holds them up: what a profile compares with.
#pragma once

#include "engine/profile.h"

namespace ggml_transformers {

// Measures the kernels in use on weights that stay in the first cache, that many threads at once. Takes some
// tens of milliseconds.
KernelPeak measure_kernel_peak(int threads);

}  // namespace ggml_transformers
