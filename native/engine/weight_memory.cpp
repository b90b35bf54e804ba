#include "engine/weight_memory.h"

#include <algorithm>

#include "engine/huge_pages.h"

namespace ggml_transformers {

namespace {

// Small models take no more than they need. Of a block only what is written to takes memory.
constexpr size_t first_block = huge_page;
constexpr size_t block = size_t{128} << 20;

size_t aligned(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

}  // namespace

uint8_t* WeightMemory::take(size_t bytes) {
    if (begin_ + bytes > end_) {
        AlignedBuffer& next = blocks_.emplace_back();
        const bool is_first = blocks_.size() == 1 && bytes <= first_block;
        // One huge page more, of which the part before the first whole one is not used.
        const size_t size = is_first ? first_block : std::max(aligned(bytes, huge_page), block) + huge_page;
        const auto at = reinterpret_cast<uintptr_t>(next.reserve(size));
        if (!is_first) prefer_huge_pages(next.data(), size);
        begin_ = is_first ? 0 : aligned(at, huge_page) - at;
        end_ = size;
    }
    uint8_t* memory = blocks_.back().data() + begin_;
    begin_ += aligned(bytes, 64);
    taken_ += bytes;
    return memory;
}

}  // namespace ggml_transformers
