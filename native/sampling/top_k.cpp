#include <algorithm>

#include "sampling/sampler.h"

namespace ggml_transformers {

namespace {

// Keeps the k most likely candidates (Fan, Lewis & Dauphin, arXiv:1805.04833) and sorts them.
class TopK final : public Sampler {
 public:
    explicit TopK(int32_t k) : k_(static_cast<size_t>(k)) {}

    void apply(Candidates& candidates) override {
        if (k_ < candidates.size()) {
            const auto end = candidates.begin() + static_cast<Candidates::difference_type>(k_);
            std::nth_element(candidates.begin(), end, candidates.end(),
                             [](const Candidate& a, const Candidate& b) {
                                 return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
                             });
            candidates.erase(end, candidates.end());
        }
        sort_by_logit(candidates);
    }

 private:
    size_t k_;
};

}  // namespace

std::unique_ptr<Sampler> make_top_k(int32_t k) { return std::make_unique<TopK>(k); }

}  // namespace ggml_transformers
