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

const TokenTrie& TokenTrie::built() const {
    std::call_once(built_, [this] { build(); });
    return *this;
}

void TokenTrie::build() const {
    std::vector<int32_t> usual_ids, long_ids;
    for (int32_t id = 0; id < vocabulary(); ++id) {
        if (begin(id) != end(id)) (end(id) - begin(id) <= usual ? usual_ids : long_ids).push_back(id);
    }
    twins_.assign(static_cast<size_t>(vocabulary()), -1);
    usual_nodes_ = tree_of(std::move(usual_ids));
    long_nodes_ = tree_of(std::move(long_ids));
}

std::vector<TokenTrie::Node> TokenTrie::tree_of(std::vector<int32_t> ids) const {
    std::sort(ids.begin(), ids.end(), [this](int32_t a, int32_t b) {
        const auto [x, y] = std::mismatch(begin(a), end(a), begin(b), end(b));
        if (x == end(a) || y == end(b)) return x == end(a) && (y != end(b) || a < b);
        return *x < *y;
    });
    std::vector<Node> nodes;
    std::vector<size_t> path;  // the nodes of the last token
    const auto leave = [&](size_t depth) {
        for (; path.size() > depth; path.pop_back())
            nodes[path.back()].skip = static_cast<int32_t>(nodes.size());
    };
    for (const int32_t id : ids) {
        const uint8_t* byte = begin(id);
        size_t shared = 0;
        while (shared < path.size() && byte != end(id) && nodes[path[shared]].byte == *byte) {
            ++shared;
            ++byte;
        }
        if (byte == end(id)) {  // sorted: what is shared whole is the token before
            Node& last = nodes[path.back()];
            twins_[static_cast<size_t>(id)] = std::exchange(last.token, id);
            continue;
        }
        leave(shared);
        for (; byte != end(id); ++byte) {
            nodes.push_back({0, -1, static_cast<uint16_t>(path.size()), *byte});
            path.push_back(nodes.size() - 1);
        }
        nodes.back().token = id;
    }
    leave(0);
    return nodes;
}

}  // namespace ggml_transformers
