#include "sampling/sampler.h"

namespace ggml_transformers {

namespace {

// Forbids the tokens that end a text until so many are new.
class MinNewTokens final : public Sampler {
 public:
    MinNewTokens(int64_t least, std::vector<int32_t> stop_ids)
        : least_(least), stop_ids_(std::move(stop_ids)) {}

    void apply(Candidates& candidates, const SamplingContext& context) override {
        if (context.generated >= least_) return;
        for (const int32_t id : stop_ids_) candidates.forbid(id);
    }

 private:
    int64_t least_;
    std::vector<int32_t> stop_ids_;
};

}  // namespace

std::unique_ptr<Sampler> make_min_new_tokens(const SamplingOptions& options) {
    if (options.min_new_tokens == 0) return nullptr;
    return std::make_unique<MinNewTokens>(options.min_new_tokens, options.stop_ids);
}

}  // namespace ggml_transformers
