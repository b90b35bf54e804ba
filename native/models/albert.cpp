// ALBERT: Lan et al., arXiv:1909.11942, as Hugging Face's AlbertModel computes it: BERT with factorized
// embeddings (of width E, projected to H) whose layers share their weights in groups.
#include "models/bind.h"
#include "models/post_norm.h"

namespace ggml_transformers {

namespace {

// ---- Hyper-parameters
// ------------------------------------------------------------------------------------------
// PostNormParameters and the number of groups; E is the width of the token embedding.

int64_t read_groups(const ModelSpec& spec, const PostNormParameters& p) {
    return spec.integer("groupCount", 1, p.size.layers);
}

// ---- Weights
// ---------------------------------------------------------------------------------------------------

struct AlbertWeights {
    ggml_tensor* tokens = nullptr;      // [E, V]
    ggml_tensor* positions = nullptr;   // [E, context]
    ggml_tensor* segments = nullptr;    // [E, segments]
    Norm embedding_norm;                // [E]
    Linear embedding_projection;        // [E, H], also when E = H
    std::vector<PostNormLayer> groups;  // one for each group of layers
};

AlbertWeights read_weights(const Weights& weights, const PostNormParameters& p, int64_t groups) {
    const ModelSize& s = p.size;
    const int64_t embedding = weights.extent("token_embd.weight", 0);
    AlbertWeights w;
    w.tokens = weights.require("token_embd.weight", {embedding, s.vocabulary});
    w.positions = weights.require("position_embd.weight", {embedding, s.context});
    w.segments = weights.require("token_types.weight", {embedding, s.segments});
    w.embedding_norm = require_norm(weights, "token_embd_norm", embedding, p.epsilon);
    w.embedding_projection = require_linear(weights, "token_embd_projection", embedding, s.hidden);
    for (int64_t i = 0; i < groups; ++i) w.groups.push_back(read_post_norm_layer(weights, p, i));
    return w;
}

// ---- Graph
// -----------------------------------------------------------------------------------------------------

class Albert final : public PostNormEncoder {
 public:
    Albert(const ModelSpec& spec, const Weights& weights)
        : PostNormEncoder(spec), w_(read_weights(weights, p_, read_groups(spec, p_))) {
        heads_ = read_encoder_heads(weights, p_.size, w_.tokens, p_.epsilon);
        heads_.pooler_activation = p_.pooler_activation;
        heads_.mlm_activation = p_.activation;
        // Its two logits are of sentences in order and swapped.
        heads_.next_sentence = find_linear(weights, "sop", p_.size.hidden, 2);
    }

 private:
    // Projection of LayerNorm(token + position + segment): [H, T].
    ggml_tensor* embeddings(GraphBuilder& b, const EncoderBatch& batch) const override {
        ggml_tensor* x = embed_sum(b.block("embed"), {{w_.tokens, b.input(batch.ids)},
                                                      {w_.positions, b.input(batch.positions)},
                                                      {w_.segments, b.input(batch.segments)}});  // [E, T]
        x = norm(b.block("norm"), w_.embedding_norm, x);
        return linear(b.block("embedding projection"), w_.embedding_projection, x);
    }

    // Layers go to groups in order, as evenly as their numbers allow.
    const PostNormLayer& layer(int64_t index) const override {
        const auto groups = static_cast<int64_t>(w_.groups.size());
        return w_.groups[static_cast<size_t>(index * groups / p_.size.layers)];
    }

    AlbertWeights w_;
};

}  // namespace

std::unique_ptr<EncoderModel> make_albert(const ModelSpec& spec, const Weights& weights) {
    return std::make_unique<Albert>(spec, weights);
}

}  // namespace ggml_transformers
