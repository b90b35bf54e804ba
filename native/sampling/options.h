// What a request says about choosing its tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace ggml_transformers {

class Constraint;

// A field's default leaves its sampler out.
struct SamplingOptions {
    double temperature = 0.0;  // 0: greedy
    struct DynamicTemperature {
        double range = 0.0;
        double exponent = 1.0;
    } dynamic_temperature;

    // Adjusting logits.
    std::vector<std::pair<int32_t, float>> logit_bias;
    double repetition_penalty = 1.0;
    double frequency_penalty = 0.0;
    double presence_penalty = 0.0;
    int32_t penalty_window = 0;  // tokens that the three look back; 0: all
    struct Dry {
        double multiplier = 0.0;
        double base = 1.75;
        int32_t allowed_length = 2;
        int32_t window = 0;  // 0: all
        std::vector<int32_t> breakers;
    } dry;

    // Forbidding tokens.
    int32_t no_repeat_ngram_size = 0;
    std::vector<std::vector<int32_t>> bad_words;  // none of them empty
    int32_t min_new_tokens = 0;
    std::vector<int32_t>
        stop_ids;  // what min_new_tokens forbids, and a constraint until the text is complete
    std::vector<int32_t> suppress_tokens;

    // Restricting the draw.
    double top_n_sigma = 0.0;
    int32_t top_k = 0;
    double top_p = 1.0;
    double min_p = 0.0;
    double typical_p = 1.0;
    double xtc_probability = 0.0;
    double xtc_threshold = 0.1;
    struct Mirostat {
        int32_t version = 0;
        double tau = 5.0;  // bits
        double eta = 0.1;
    } mirostat;

    std::shared_ptr<Constraint> constraint;  // null: any text
    std::vector<int32_t> constrained;        // tokens of that text that were generated before

    uint32_t seed = 0;
    // Names of samplers, each at most once; those in use are all among them. Empty: the registry's order.
    std::vector<std::string> order;
};

}  // namespace ggml_transformers
