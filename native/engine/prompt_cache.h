// Keys and values of past sequences, for requests that begin alike.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "engine/kv_cache.h"

namespace ggml_transformers {

class PromptCache {
 public:
    // Holds at most that many bytes; 0, and layouts that cannot share memory, make it hold nothing.
    PromptCache(const KvLayout& layout, uint64_t most_bytes)
        : layout_(layout), most_bytes_(layout.fused ? most_bytes : 0) {}

    // A cache for these tokens, with the longest known beginning in it; `kept` tells its length. At least one
    // token is left to evaluate: its logits are wanted.
    std::unique_ptr<KvCache> open(const std::vector<int32_t>& ids, int64_t& kept);
    // Takes in a sequence's first `count` tokens. The sequences that were used longest ago make room.
    void add(std::unique_ptr<KvCache> cache, const std::vector<int32_t>& ids, int64_t count);
    // False when there is nothing to give back.
    bool drop_oldest();

 private:
    struct Entry {
        std::vector<int32_t> ids;
        std::unique_ptr<KvCache> cache;
    };

    uint64_t bytes() const;

    KvLayout layout_;
    uint64_t most_bytes_;
    std::list<Entry> entries_;  // the last used comes first
};

}  // namespace ggml_transformers
