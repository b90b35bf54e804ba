#include <algorithm>

#include "engine/drafter.h"

namespace ggml_transformers {

// The latest place counts: what was written last resembles most what is written now. A guess that reaches the
// end goes on with its own beginning.
void LookupDrafter::start(const std::vector<int32_t>& tokens, int64_t most) {
    const auto size = static_cast<int64_t>(tokens.size());
    count_ = 0;
    int64_t longest = 0;
    for (int64_t end = size - 1; end > 0 && longest < ngram_; --end) {
        int64_t same = 0;
        while (same < std::min(ngram_, end) &&
               tokens[static_cast<size_t>(end - 1 - same)] == tokens[static_cast<size_t>(size - 1 - same)]) {
            ++same;
        }
        if (same <= longest) continue;
        longest = same;
        from_ = end;
        count_ = most;
    }
}

void LookupDrafter::append_to(std::vector<int32_t>& tokens) {
    for (int64_t i = from_; i < from_ + count_; ++i) tokens.push_back(tokens[static_cast<size_t>(i)]);
}

}  // namespace ggml_transformers
