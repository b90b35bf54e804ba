// ELECTRA: Clark et al., arXiv:2003.10555, as Hugging Face's ElectraModel computes it: BERT whose embeddings
// may be narrower (E) than its layers (H), with a projection between them.
#include "models/bind.h"
#include "models/post_norm.h"

namespace ggml_transformers {

namespace {

// ---- Hyper-parameters
// ------------------------------------------------------------------------------------------
// PostNormParameters, all of them; E is the width of the token embedding.

// ---- Weights
// ---------------------------------------------------------------------------------------------------

struct ElectraWeights {
    ggml_tensor* tokens = nullptr;      // [E, V]
    ggml_tensor* positions = nullptr;   // [E, context]
    ggml_tensor* segments = nullptr;    // [E, segments], or null
    Norm embedding_norm;                // [E]
    Linear embedding_projection;        // [E, H], or null when E = H
    std::vector<PostNormLayer> layers;  // L
};

ElectraWeights read_weights(const Weights& weights, const PostNormParameters& p) {
    const ModelSize& s = p.size;
    const int64_t embedding = weights.extent("token_embd.weight", 0);
    ElectraWeights w;
    w.tokens = weights.require("token_embd.weight", {embedding, s.vocabulary});
    w.positions = weights.require("position_embd.weight", {embedding, s.context});
    if (s.segments > 0) w.segments = weights.require("token_types.weight", {embedding, s.segments});
    w.embedding_norm = require_norm(weights, "token_embd_norm", embedding, p.epsilon);
    if (embedding != s.hidden) {
        w.embedding_projection = require_linear(weights, "token_embd_projection", embedding, s.hidden);
    }
    for (int64_t i = 0; i < s.layers; ++i) w.layers.push_back(read_post_norm_layer(weights, p, i));
    return w;
}

// ---- Graph
// -----------------------------------------------------------------------------------------------------

class Electra final : public PostNormEncoder {
 public:
    Electra(const ModelSpec& spec, const Weights& weights)
        : PostNormEncoder(spec), w_(read_weights(weights, p_)) {
        heads_ = read_encoder_heads(weights, p_.size, w_.tokens, p_.epsilon);
        heads_.pooler_activation = p_.pooler_activation;
        // The generator's head has this one whatever the layers have.
        heads_.mlm_activation = Activation::Gelu;
        heads_.replaced_activation = p_.activation;
    }

 private:
    // Projection of LayerNorm(token + position + segment): [H, T].
    ggml_tensor* embeddings(GraphBuilder& b, const EncoderBatch& batch) const override {
        std::vector<Lookup> lookups = {{w_.tokens, b.input(batch.ids)},
                                       {w_.positions, b.input(batch.positions)}};
        if (w_.segments != nullptr) lookups.push_back({w_.segments, b.input(batch.segments)});
        ggml_tensor* x = embed_sum(b.block("embed"), lookups);  // [E, T]
        x = norm(b.block("norm"), w_.embedding_norm, x);
        if (w_.embedding_projection.weight == nullptr) return x;
        return linear(b.block("embedding projection"), w_.embedding_projection, x);
    }

    const PostNormLayer& layer(int64_t index) const override { return w_.layers[static_cast<size_t>(index)]; }

    ElectraWeights w_;
};

}  // namespace

std::unique_ptr<EncoderModel> make_electra(const ModelSpec& spec, const Weights& weights) {
    return std::make_unique<Electra>(spec, weights);
}

}  // namespace ggml_transformers
