#include "constraint/token_trie.h"

#include <algorithm>
#include <utility>

#include "engine/error.h"

namespace ggml_transformers {

namespace {

constexpr int32_t longest_token = 65535;

}  // namespace

TokenTrie::TokenTrie(std::vector<uint8_t> bytes, std::vector<int32_t> offsets)
    : bytes_(std::move(bytes)), offsets_(std::move(offsets)) {
    const bool sound = offsets_.size() >= 2 && offsets_.front() == 0 &&
                       std::is_sorted(offsets_.begin(), offsets_.end()) &&
                       offsets_.back() == static_cast<int64_t>(bytes_.size());
    if (!sound)
        throw Error(ErrorCode::InvalidArgument, "Expected the offsets of a vocabulary's bytes")
            .with("argument", "offsets");
    for (size_t i = 0; i + 1 < offsets_.size(); ++i)
        longest_ = std::max(longest_, offsets_[i + 1] - offsets_[i]);
    if (longest_ > longest_token)
        throw Error(ErrorCode::Unsupported, "Expected tokens of at most 65535 bytes")
            .with("length", static_cast<int64_t>(longest_));
}

const std::vector<TokenTrie::Node>& TokenTrie::nodes() const {
    std::call_once(built_, [this] { build(); });
    return nodes_;
}

void TokenTrie::build() const {
    std::vector<int32_t> order;
    for (int32_t id = 0; id < vocabulary(); ++id) {
        if (begin(id) != end(id)) order.push_back(id);
    }
    std::sort(order.begin(), order.end(), [this](int32_t a, int32_t b) {
        const auto [x, y] = std::mismatch(begin(a), end(a), begin(b), end(b));
        if (x == end(a) || y == end(b)) return x == end(a) && (y != end(b) || a < b);
        return *x < *y;
    });
    twins_.assign(static_cast<size_t>(vocabulary()), -1);
    std::vector<size_t> path;  // the nodes of the last token
    const auto leave = [&](size_t depth) {
        for (; path.size() > depth; path.pop_back())
            nodes_[path.back()].skip = static_cast<int32_t>(nodes_.size());
    };
    for (const int32_t id : order) {
        const uint8_t* byte = begin(id);
        size_t shared = 0;
        while (shared < path.size() && byte != end(id) && nodes_[path[shared]].byte == *byte) {
            ++shared;
            ++byte;
        }
        if (byte == end(id)) {  // sorted: what is shared whole is the token before
            Node& last = nodes_[path.back()];
            twins_[static_cast<size_t>(id)] = std::exchange(last.token, id);
            continue;
        }
        leave(shared);
        for (; byte != end(id); ++byte) {
            nodes_.push_back({0, -1, static_cast<uint16_t>(path.size()), *byte});
            path.push_back(nodes_.size() - 1);
        }
        nodes_.back().token = id;
    }
    leave(0);
}

}  // namespace ggml_transformers
