#include "sampling/sampler.h"

namespace ggml_transformers {

namespace {

// Forbids these tokens.
class SuppressTokens final : public Sampler {
 public:
    explicit SuppressTokens(std::vector<int32_t> ids) : ids_(std::move(ids)) {}

    void apply(Candidates& candidates, const SamplingContext&) override {
        for (const int32_t id : ids_) candidates.forbid(id);
    }

 private:
    std::vector<int32_t> ids_;
};

}  // namespace

std::unique_ptr<Sampler> make_suppress_tokens(const SamplingOptions& options) {
    return options.suppress_tokens.empty() ? nullptr
                                           : std::make_unique<SuppressTokens>(options.suppress_tokens);
}

}  // namespace ggml_transformers
