#include "engine/prompt_cache.h"

#include <algorithm>
#include <set>

namespace ggml_transformers {

namespace {

// Each is compared with every prompt.
constexpr size_t most_entries = 64;

int64_t common(const std::vector<int32_t>& a, const std::vector<int32_t>& b) {
    const auto most = static_cast<std::ptrdiff_t>(std::min(a.size(), b.size()));
    return std::mismatch(a.begin(), a.begin() + most, b.begin()).first - a.begin();
}

}  // namespace

std::unique_ptr<KvCache> PromptCache::open(const std::vector<int32_t>& ids, int64_t& kept) {
    const auto most = static_cast<int64_t>(ids.size()) - 1;
    int64_t longest = kv_group - 1;  // less is not shared
    auto found = entries_.end();
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
        const int64_t length = std::min(common(entry->ids, ids), most);
        if (length <= longest) continue;
        longest = length;
        found = entry;
    }
    kept = 0;
    if (found == entries_.end()) return std::make_unique<KvCache>(layout_);
    entries_.splice(entries_.begin(), entries_, found);
    return found->cache->fork(longest, kept);
}

void PromptCache::add(std::unique_ptr<KvCache> cache, const std::vector<int32_t>& ids, int64_t count) {
    if (most_bytes_ == 0 || count < kv_group) return;
    Entry added = {{ids.begin(), ids.begin() + count}, std::move(cache)};
    for (const Entry& entry : entries_) {
        if (common(entry.ids, added.ids) == count) return;  // open() has moved it to the front
    }
    // The new one does for those that it continues.
    entries_.remove_if([&](const Entry& entry) {
        return common(entry.ids, added.ids) == static_cast<int64_t>(entry.ids.size());
    });
    added.cache->shrink(count);
    entries_.push_front(std::move(added));
    while (entries_.size() > most_entries || bytes() > most_bytes_) drop_oldest();
}

bool PromptCache::drop_oldest() {
    if (entries_.empty()) return false;
    entries_.pop_back();
    return true;
}

// Entries that begin alike have memory in common.
uint64_t PromptCache::bytes() const {
    std::set<const KvSegment*> segments;
    for (const Entry& entry : entries_)
        for (const KvPart& part : entry.cache->parts()) segments.insert(part.segment.get());
    uint64_t sum = 0;
    for (const KvSegment* segment : segments) sum += layout_.bytes_for(segment->capacity());
    return sum;
}

}  // namespace ggml_transformers
