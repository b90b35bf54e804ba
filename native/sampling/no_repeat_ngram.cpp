#include <algorithm>

#include "sampling/sampler.h"

namespace ggml_transformers {

namespace {

// Forbids the tokens that would complete a sequence of n tokens that the text has already (Paulus, Xiong &
// Socher, arXiv:1705.04304).
class NoRepeatNgram final : public Sampler {
 public:
    explicit NoRepeatNgram(int32_t size) : before_(size - 1) {}

    void apply(Candidates& candidates, const SamplingContext& context) override {
        if (context.count < before_) return;
        const int32_t* latest = context.tokens + context.count - before_;
        for (int64_t i = 0; i + before_ < context.count; ++i) {
            const int32_t* earlier = context.tokens + i;
            if (std::equal(earlier, earlier + before_, latest)) candidates.forbid(earlier[before_]);
        }
    }

 private:
    int64_t before_;
};

}  // namespace

std::unique_ptr<Sampler> make_no_repeat_ngram(const SamplingOptions& options) {
    if (options.no_repeat_ngram_size == 0) return nullptr;
    return std::make_unique<NoRepeatNgram>(options.no_repeat_ngram_size);
}

}  // namespace ggml_transformers
