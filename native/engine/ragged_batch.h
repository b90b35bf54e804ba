// Sequences laid end to end, without padding. Those of equal length stand together and form a group, so that
// attention over a group is one batched product and its result does not depend on what else is in the batch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace ggml_transformers {

struct RaggedGroup {
    int64_t first_token = 0;     // index into the T tokens
    int64_t first_sequence = 0;  // index into the B sequences
    int64_t length = 0;          // S
    int64_t count = 0;           // sequences of that length
};

class RaggedBatch {
 public:
    void clear() {
        offsets_.assign(1, 0);
        groups_.clear();
        longest_ = 0;
    }

    // Equal lengths must be added one after the other.
    void add(int64_t length) {
        if (groups_.empty() || groups_.back().length != length) {
            groups_.push_back({tokens(), sequences(), length, 0});
        }
        ++groups_.back().count;
        offsets_.push_back(tokens() + length);
        longest_ = std::max(longest_, length);
    }

    int64_t tokens() const { return offsets_.back(); }                               // T
    int64_t sequences() const { return static_cast<int64_t>(offsets_.size()) - 1; }  // B
    int64_t offset(int64_t sequence) const { return offsets_[static_cast<size_t>(sequence)]; }
    int64_t length(int64_t sequence) const { return offset(sequence + 1) - offset(sequence); }
    int64_t longest() const { return longest_; }
    const std::vector<RaggedGroup>& groups() const { return groups_; }

 private:
    std::vector<int64_t> offsets_ = {0};  // [B + 1]
    std::vector<RaggedGroup> groups_;
    int64_t longest_ = 0;
};

}  // namespace ggml_transformers
