// One step in the choice of a token: it reshapes the logits of the candidates or takes some away.
#pragma once

#include <cstdint>
#include <memory>

#include "sampling/candidates.h"
#include "sampling/options.h"
#include "sampling/probability.h"
#include "sampling/random.h"

namespace ggml_transformers {

// What a token is chosen for.
struct SamplingContext {
    const int32_t* tokens;  // [count] prompt and continuation
    int64_t count;
    int64_t generated;  // the last so many of them
    RandomGenerator& random;
};

class Sampler {
 public:
    virtual ~Sampler() = default;
    // Leaves at least one candidate. Allocates at its first call alone.
    virtual void apply(Candidates& candidates, const SamplingContext& context) = 0;
    // Told of the token that was drawn after apply().
    virtual void drawn(int32_t) {}
};

// One file each. Null when the options do not ask for it.
std::unique_ptr<Sampler> make_logit_bias(const SamplingOptions& options);
std::unique_ptr<Sampler> make_repetition_penalty(const SamplingOptions& options);
std::unique_ptr<Sampler> make_frequency_penalty(const SamplingOptions& options);
std::unique_ptr<Sampler> make_presence_penalty(const SamplingOptions& options);
std::unique_ptr<Sampler> make_dry(const SamplingOptions& options);
std::unique_ptr<Sampler> make_no_repeat_ngram(const SamplingOptions& options);
std::unique_ptr<Sampler> make_bad_words(const SamplingOptions& options);
std::unique_ptr<Sampler> make_min_new_tokens(const SamplingOptions& options);
std::unique_ptr<Sampler> make_suppress_tokens(const SamplingOptions& options);
std::unique_ptr<Sampler> make_temperature(const SamplingOptions& options);
std::unique_ptr<Sampler> make_top_n_sigma(const SamplingOptions& options);
std::unique_ptr<Sampler> make_top_k(const SamplingOptions& options);
std::unique_ptr<Sampler> make_top_p(const SamplingOptions& options);
std::unique_ptr<Sampler> make_min_p(const SamplingOptions& options);
std::unique_ptr<Sampler> make_typical_p(const SamplingOptions& options);
std::unique_ptr<Sampler> make_xtc(const SamplingOptions& options);
std::unique_ptr<Sampler> make_mirostat(const SamplingOptions& options);

}  // namespace ggml_transformers
