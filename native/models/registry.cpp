// The only table of architectures.
#include "engine/error.h"
#include "models/model.h"

namespace ggml_transformers {

Model make_model(const ModelSpec& spec, const Weights& weights) {
    if (spec.architecture == "bert") return make_bert(spec, weights);
    if (spec.architecture == "electra") return make_electra(spec, weights);
    if (spec.architecture == "albert") return make_albert(spec, weights);
    if (spec.architecture == "mpnet") return make_mpnet(spec, weights);
    if (spec.architecture == "modern-bert") return make_modern_bert(spec, weights);
    if (spec.architecture == "gpt2") return make_gpt2(spec, weights);
    // GPT-2's graph, with fewer heads of keys and values.
    if (spec.architecture == "starcoder") return make_gpt2(spec, weights);
    if (spec.architecture == "gptneox") return make_gpt_neox(spec, weights);
    throw Error(ErrorCode::Unsupported, "The architecture \"" + spec.architecture + "\" is not supported")
        .with("architecture", spec.architecture);
}

ModelSize read_size(const ModelSpec& spec) {
    constexpr int64_t million = 1'000'000;
    ModelSize size;
    size.vocabulary = spec.integer("vocabSize", 1, 16 * million);
    size.context = spec.integer("contextLength", 1, 16 * million);
    size.hidden = spec.integer("embeddingLength", 1, million);
    size.layers = spec.integer("blockCount", 1, 1024);
    size.heads = spec.integer("headCount", 1, 4096);
    if (size.hidden % size.heads != 0) {
        throw Error(ErrorCode::ModelFileInvalid, "The hidden size " + std::to_string(size.hidden) +
                                                     " is not a multiple of the " +
                                                     std::to_string(size.heads) + " heads")
            .with("field", std::string("headCount"));
    }
    size.kv_heads = size.heads;
    if (spec.numbers.count("keyValueHeadCount") == 0) return size;
    size.kv_heads = spec.integer("keyValueHeadCount", 1, size.heads);
    if (size.heads % size.kv_heads != 0) {
        throw Error(ErrorCode::ModelFileInvalid,
                    "The " + std::to_string(size.heads) + " heads are not a multiple of the " +
                        std::to_string(size.kv_heads) + " heads of keys and values")
            .with("field", std::string("keyValueHeadCount"));
    }
    return size;
}

}  // namespace ggml_transformers
