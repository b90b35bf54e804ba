#include <algorithm>

#include "sampling/sampler.h"

namespace ggml_transformers {

namespace {

// Forbids the last token of each of these sequences where the text ends with the others.
class BadWords final : public Sampler {
 public:
    explicit BadWords(std::vector<std::vector<int32_t>> words) : words_(std::move(words)) {}

    void apply(Candidates& candidates, const SamplingContext& context) override {
        const int32_t* end = context.tokens + context.count;
        for (const std::vector<int32_t>& word : words_) {
            const auto before = static_cast<int64_t>(word.size()) - 1;
            if (before > context.count) continue;
            if (std::equal(word.begin(), word.end() - 1, end - before)) candidates.forbid(word.back());
        }
    }

 private:
    std::vector<std::vector<int32_t>> words_;
};

}  // namespace

std::unique_ptr<Sampler> make_bad_words(const SamplingOptions& options) {
    return options.bad_words.empty() ? nullptr : std::make_unique<BadWords>(options.bad_words);
}

}  // namespace ggml_transformers
