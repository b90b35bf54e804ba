#include "sampling/sampler.h"

namespace ggml_transformers {

namespace {

// Nucleus sampling (Holtzman et al., arXiv:1904.09751): keeps the smallest set of most likely candidates
// whose probability reaches p, at least one, and sorts them.
class TopP final : public Sampler {
 public:
    explicit TopP(double p) : p_(p) {}

    void apply(Candidates& candidates) override {
        sort_by_logit(candidates);
        Exponentials& e = exponentials_;
        exponentials(candidates, e);
        double reached = 0.0;
        for (size_t i = 0; i < candidates.size(); ++i) {
            reached += e.values[i];
            if (reached >= p_ * e.sum) {
                candidates.resize(i + 1);
                return;
            }
        }
    }

 private:
    double p_;
    Exponentials exponentials_;
};

}  // namespace

std::unique_ptr<Sampler> make_top_p(double p) { return std::make_unique<TopP>(p); }

}  // namespace ggml_transformers
