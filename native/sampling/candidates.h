// The tokens among which the next one is chosen, with their logits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace ggml_transformers {

struct Candidate {
    int32_t id;
    float logit;
};

// Higher logits first; ties by the lower id, so that the order is total and a run repeatable.
inline bool more_likely(const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

constexpr float forbidden = -std::numeric_limits<float>::infinity();

// In the order of their ids to begin with, and in no particular one when a sampler has taken some away.
class Candidates {
 public:
    using List = std::vector<Candidate>;

    // All of `logits` [V].
    void assign(const float* logits, int64_t vocabulary);

    size_t size() const { return list_.size(); }
    size_t vocabulary() const { return index_.size(); }
    Candidate& operator[](size_t i) { return list_[i]; }
    const Candidate& operator[](size_t i) const { return list_[i]; }
    List::iterator begin() { return list_.begin(); }
    List::iterator end() { return list_.end(); }
    List::const_iterator begin() const { return list_.begin(); }
    List::const_iterator end() const { return list_.end(); }

    // Null when the token is no candidate any more.
    Candidate* find(int32_t id);
    void forbid(int32_t id) {
        if (Candidate* candidate = find(id)) candidate->logit = forbidden;
    }
    float highest() const;

    // Calls change(list), which may reorder the list and take from it.
    template <class Change>
    void rearrange(Change&& change) {
        state_ = Order::Unknown;
        change(list_);
    }
    template <class Predicate>
    void keep_if(Predicate&& keep) {
        rearrange([&](List& list) {
            const auto drop = [&](const Candidate& c) { return !keep(c); };
            list.erase(std::remove_if(list.begin(), list.end(), drop), list.end());
        });
    }
    void sort() {
        rearrange([](List& list) { std::sort(list.begin(), list.end(), more_likely); });
    }

 private:
    enum class Order { ById, Indexed, Unknown };

    List list_;
    Order state_ = Order::ById;
    std::vector<int32_t> index_;  // [V] place in the list or -1, when Indexed
};

}  // namespace ggml_transformers
