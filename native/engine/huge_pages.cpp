#include "engine/huge_pages.h"

#include <cstdint>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace ggml_transformers {

void prefer_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] size_t bytes) {
#ifdef __linux__
    const auto begin = reinterpret_cast<uintptr_t>(memory);
    const uintptr_t first = (begin + huge_page - 1) / huge_page * huge_page;
    const uintptr_t last = (begin + bytes) / huge_page * huge_page;
    // A refusal changes nothing but speed.
    if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
}

}  // namespace ggml_transformers
