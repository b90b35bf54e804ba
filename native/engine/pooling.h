// One vector per sequence from its hidden states.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ggml_transformers {

enum class Pooling { Mean, Cls, Max, Last };

// Throws Error(InvalidArgument) naming what is unknown.
Pooling pooling_from_name(const std::string& name);

// Pools `rows` [length, hidden] (row by row, contiguous) into `out` [hidden]. Sums run in double precision
// and in the order of the rows, whatever the batch.
void pool(Pooling pooling, const float* rows, int64_t length, int64_t hidden, float* out);

// Scales to unit L2 length; a zero vector stays zero.
void normalize(float* vector, int64_t size);

}  // namespace ggml_transformers
