// How many of the first candidates, in some order, it takes to reach a probability.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "sampling/candidates.h"

namespace ggml_transformers {

struct Weighted {
    Candidate candidate;
    double weight;
    double rank;
};

// The item that reaches `wanted` together with those before it; the last of all when none does. Reorders
// `items`, not empty. Takes linear time, where sorting all of a vocabulary would take longer than all else.
template <class Before>
Weighted last_needed(std::vector<Weighted>& items, double wanted, Before before) {
    constexpr std::ptrdiff_t few = 32;
    auto first = items.begin(), end = items.end();
    double reached = 0.0;
    while (end - first > few) {
        const auto middle = first + (end - first) / 2;
        std::nth_element(first, middle, end, before);
        double sum = reached;
        for (auto item = first; item < middle; ++item) sum += item->weight;
        if (sum >= wanted) {
            end = middle;
        } else {
            first = middle;
            reached = sum;
        }
    }
    std::sort(first, end, before);
    for (; first + 1 < end; ++first) {
        reached += first->weight;
        if (reached >= wanted) break;
    }
    return *first;
}

}  // namespace ggml_transformers
