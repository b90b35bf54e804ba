// Rows of numbers from and to GGML's types.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ggml_transformers {

// `values` holds whole rows of `row_length` finite numbers. Throws Error(InvalidArgument | Unsupported).
std::vector<uint8_t> quantize_rows(const std::string& type, const std::vector<float>& values,
                                   int64_t row_length);

// The inverse: exactly the numbers the engine computes with.
std::vector<float> dequantize_rows(const std::string& type, const std::vector<uint8_t>& bytes,
                                   int64_t row_length);

}  // namespace ggml_transformers
