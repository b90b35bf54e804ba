// The bytes of a vocabulary's tokens, and all of them as one tree in which tokens that begin alike share
// their beginning.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

namespace ggml_transformers {

class TokenTrie {
 public:
    // Token i is bytes offsets[i] to offsets[i + 1]; one without bytes never occurs in a text. Throws
    // Error(InvalidArgument) for offsets that lead outside.
    TokenTrie(std::vector<uint8_t> bytes, std::vector<int32_t> offsets);

    int64_t vocabulary() const { return static_cast<int64_t>(offsets_.size()) - 1; }
    const uint8_t* begin(int32_t id) const { return bytes_.data() + offsets_[static_cast<size_t>(id)]; }
    const uint8_t* end(int32_t id) const { return bytes_.data() + offsets_[static_cast<size_t>(id) + 1]; }

    // A node is a byte after those above it. They are in the order of a walk that goes down first.
    struct Node {
        int32_t skip;   // the next node that is not below this one
        int32_t token;  // the one that ends here, or -1
        uint16_t depth;
        uint8_t byte;
    };
    // Of the tokens of at most `usual` bytes, and of the few that are longer. Made at the first call, by
    // whoever needs it.
    static constexpr int32_t usual = 16;
    const std::vector<Node>& usual_nodes() const { return built().usual_nodes_; }
    const std::vector<Node>& long_nodes() const { return built().long_nodes_; }
    int32_t depth() const { return longest_; }
    // Another token of the same bytes, or -1.
    int32_t twin(int32_t id) const { return twins_[static_cast<size_t>(id)]; }

 private:
    const TokenTrie& built() const;
    void build() const;
    std::vector<Node> tree_of(std::vector<int32_t> ids) const;

    std::vector<uint8_t> bytes_;
    std::vector<int32_t> offsets_;
    int32_t longest_ = 0;
    mutable std::once_flag built_;
    mutable std::vector<Node> usual_nodes_;
    mutable std::vector<Node> long_nodes_;
    mutable std::vector<int32_t> twins_;
};

}  // namespace ggml_transformers
