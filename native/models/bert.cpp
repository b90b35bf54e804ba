// BERT: Devlin et al., arXiv:1810.04805, as Hugging Face's BertModel computes it. Its weights may be those of
// RoBERTa (arXiv:1907.11692), XLM-R (arXiv:1911.02116), CamemBERT (arXiv:1911.03894) or DistilBERT
// (arXiv:1910.01108): the converter gives them BERT's names, and cuts off the positions they never use.
// Post-LN encoder with learned positions and, unless there are none, segments.
#include "models/bind.h"
#include "models/post_norm.h"

namespace ggml_transformers {

namespace {

// ---- Hyper-parameters
// ------------------------------------------------------------------------------------------
// PostNormParameters, all of them.

// ---- Weights
// ---------------------------------------------------------------------------------------------------

struct BertWeights {
    ggml_tensor* tokens = nullptr;      // [H, V]
    ggml_tensor* positions = nullptr;   // [H, context]
    ggml_tensor* segments = nullptr;    // [H, segments], or null
    Norm embedding_norm;                // [H]
    std::vector<PostNormLayer> layers;  // L
};

BertWeights read_weights(const Weights& weights, const PostNormParameters& p) {
    const ModelSize& s = p.size;
    BertWeights w;
    w.tokens = weights.require("token_embd.weight", {s.hidden, s.vocabulary});
    w.positions = weights.require("position_embd.weight", {s.hidden, s.context});
    if (s.segments > 0) w.segments = weights.require("token_types.weight", {s.hidden, s.segments});
    w.embedding_norm = require_norm(weights, "token_embd_norm", s.hidden, p.epsilon);
    for (int64_t i = 0; i < s.layers; ++i) w.layers.push_back(read_post_norm_layer(weights, p, i));
    return w;
}

// ---- Graph
// -----------------------------------------------------------------------------------------------------

class Bert final : public PostNormEncoder {
 public:
    Bert(const ModelSpec& spec, const Weights& weights)
        : PostNormEncoder(spec), w_(read_weights(weights, p_)) {
        heads_ = read_encoder_heads(weights, p_.size, w_.tokens, p_.epsilon);
        heads_.pooler_activation = p_.pooler_activation;
        heads_.mlm_activation = p_.activation;
    }

 private:
    // LayerNorm(token + position + segment): [H, T].
    ggml_tensor* embeddings(GraphBuilder& b, const EncoderBatch& batch) const override {
        std::vector<Lookup> lookups = {{w_.tokens, b.input(batch.ids)},
                                       {w_.positions, b.input(batch.positions)}};
        if (w_.segments != nullptr) lookups.push_back({w_.segments, b.input(batch.segments)});
        ggml_tensor* sum = embed_sum(b.block("embed"), lookups);
        return norm(b.block("norm"), w_.embedding_norm, sum);
    }

    const PostNormLayer& layer(int64_t index) const override { return w_.layers[static_cast<size_t>(index)]; }

    BertWeights w_;
};

}  // namespace

std::unique_ptr<EncoderModel> make_bert(const ModelSpec& spec, const Weights& weights) {
    return std::make_unique<Bert>(spec, weights);
}

}  // namespace ggml_transformers
