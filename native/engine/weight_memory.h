// Where packed weights lie: one after the other, in the order of their first use, in a few large blocks on
// huge pages where the system has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/aligned_buffer.h"

namespace ggml_transformers {

class WeightMemory {
 public:
    // That many bytes, aligned to 64, which live as long as this. Throws std::bad_alloc.
    uint8_t* take(size_t bytes);

    // Taken so far.
    size_t bytes() const { return taken_; }

 private:
    std::vector<AlignedBuffer> blocks_;
    size_t begin_ = 0;  // of what is left of the last block
    size_t end_ = 0;
    size_t taken_ = 0;
};

}  // namespace ggml_transformers
