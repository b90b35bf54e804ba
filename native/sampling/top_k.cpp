#include <algorithm>

#include "sampling/sampler.h"

namespace ggml_transformers {

namespace {

// Keeps the k most likely candidates (Fan, Lewis & Dauphin, arXiv:1805.04833).
class TopK final : public Sampler {
 public:
    explicit TopK(int32_t k) : k_(static_cast<size_t>(k)) {}

    void apply(Candidates& candidates, const SamplingContext&) override {
        if (k_ >= candidates.size()) return;
        candidates.rearrange([&](Candidates::List& list) {
            const auto end = list.begin() + static_cast<Candidates::List::difference_type>(k_);
            std::nth_element(list.begin(), end, list.end(), more_likely);
            list.erase(end, list.end());
        });
        candidates.sort();
    }

 private:
    size_t k_;
};

}  // namespace

std::unique_ptr<Sampler> make_top_k(const SamplingOptions& options) {
    return options.top_k > 0 ? std::make_unique<TopK>(options.top_k) : nullptr;
}

}  // namespace ggml_transformers
