// Whether this processor and operating system run the instructions GGML was compiled for.
#pragma once

#include <string>
#include <vector>

namespace ggml_transformers {

// Throws Error(Unsupported) naming what is missing. Call before any GGML CPU code runs: this file is compiled
// for the baseline of the architecture, GGML is not.
void require_supported_cpu();

// Instruction sets found, for example {"AVX2", "FMA", "F16C"}.
std::vector<std::string> cpu_features();

// What the maker calls the processor, or "CPU".
std::string cpu_name();

}  // namespace ggml_transformers
