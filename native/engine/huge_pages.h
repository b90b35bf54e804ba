// Pages of 2 MB. What is read through once, as weights and caches are for each token, costs a walk through
// the page tables for every page; with those of 4 KB that is a good part of the time (on a virtual machine a
// third).
#pragma once

#include <cstddef>

namespace ggml_transformers {

constexpr size_t huge_page = size_t{2} << 20;

// Asks for huge pages for what lies within that memory and was not touched yet. Without them there are
// others.
void prefer_huge_pages(void* memory, size_t bytes);

}  // namespace ggml_transformers
