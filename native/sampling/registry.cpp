#include "sampling/registry.h"

namespace ggml_transformers {

const std::vector<SamplerEntry>& samplers() {
    // Never destroyed: process.exit() runs destructors while engine threads may still ask.
    static const std::vector<SamplerEntry>& table = *new std::vector<SamplerEntry>{
        {"logitBias", false, make_logit_bias},
        {"repetitionPenalty", false, make_repetition_penalty},
        {"frequencyPenalty", false, make_frequency_penalty},
        {"presencePenalty", false, make_presence_penalty},
        {"dry", false, make_dry},
        {"noRepeatNgramSize", false, make_no_repeat_ngram},
        {"badWords", false, make_bad_words},
        {"minNewTokens", false, make_min_new_tokens},
        {"suppressTokens", false, make_suppress_tokens},
        {"temperature", true, make_temperature},
        {"topNSigma", true, make_top_n_sigma},
        {"topK", true, make_top_k},
        {"topP", true, make_top_p},
        {"minP", true, make_min_p},
        {"typicalP", true, make_typical_p},
        {"xtc", true, make_xtc},
        {"mirostat", true, make_mirostat},
    };
    return table;
}

const SamplerEntry* find_sampler(const std::string& name) {
    for (const SamplerEntry& entry : samplers()) {
        if (name == entry.name) return &entry;
    }
    return nullptr;
}

}  // namespace ggml_transformers
