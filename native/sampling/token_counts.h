// How often each token stands in the latest part of a text.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sampling/sampler.h"

namespace ggml_transformers {

class TokenCounts {
 public:
    // Among the last `window` tokens; 0: all.
    explicit TokenCounts(int32_t window) : window_(window) {}

    // Calls use(candidate, count) once for each token that is there and may be drawn.
    template <class Use>
    void each(Candidates& candidates, const SamplingContext& context, Use&& use) {
        counts_.resize(candidates.vocabulary());
        const int64_t length = window_ > 0 ? std::min<int64_t>(window_, context.count) : context.count;
        const int32_t* end = context.tokens + context.count;
        for (const int32_t* token = end - length; token < end; ++token)
            ++counts_[static_cast<size_t>(*token)];
        for (const int32_t* token = end - length; token < end; ++token) {
            int32_t& count = counts_[static_cast<size_t>(*token)];
            Candidate* candidate = count > 0 ? candidates.find(*token) : nullptr;
            if (candidate != nullptr) use(*candidate, count);
            count = 0;
        }
    }

 private:
    int64_t window_;
    std::vector<int32_t> counts_;  // [V] zeros between calls
};

}  // namespace ggml_transformers
