// MPNet: Song et al., arXiv:2004.09297, as Hugging Face's MPNetModel computes it: BERT without segments, with
// a bias for each head and bucket of distances added to the attention scores of all layers.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "models/bind.h"
#include "models/post_norm.h"

namespace ggml_transformers {

namespace {

// ---- Hyper-parameters
// ------------------------------------------------------------------------------------------
// PostNormParameters and two constants.

constexpr int64_t bucket_count = 32;
constexpr int64_t longest_distance = 128;  // those beyond share the last bucket

// Half of the buckets are for keys after the query. In each half the first half are for one distance each,
// the others grow with its logarithm.
int32_t bucket_of(int64_t distance) {
    constexpr int64_t half = bucket_count / 2, exact = half / 2;
    const int64_t first = distance > 0 ? half : 0, length = std::abs(distance);
    if (length < exact) return static_cast<int32_t>(first + length);
    const double octaves = std::log2(static_cast<double>(length) / exact);
    const double scale = (half - exact) / std::log2(static_cast<double>(longest_distance) / exact);
    const auto further = static_cast<int64_t>(octaves * scale);
    return static_cast<int32_t>(first + std::min(exact + further, half - 1));
}

// Of the distances from query to key, -longest_distance … longest_distance.
std::vector<int32_t> buckets_of_distances() {
    std::vector<int32_t> buckets;
    for (int64_t distance = -longest_distance; distance <= longest_distance; ++distance)
        buckets.push_back(bucket_of(distance));
    return buckets;
}

// ---- Weights
// ---------------------------------------------------------------------------------------------------

struct MpnetWeights {
    ggml_tensor* tokens = nullptr;       // [H, V]
    ggml_tensor* positions = nullptr;    // [H, context]
    ggml_tensor* bucket_bias = nullptr;  // [A, buckets]
    Norm embedding_norm;                 // [H]
    std::vector<PostNormLayer> layers;   // L
};

MpnetWeights read_weights(const Weights& weights, const PostNormParameters& p) {
    const ModelSize& s = p.size;
    MpnetWeights w;
    w.tokens = weights.require("token_embd.weight", {s.hidden, s.vocabulary});
    w.positions = weights.require("position_embd.weight", {s.hidden, s.context});
    w.bucket_bias = weights.require("attn_rel_b.weight", {s.heads, bucket_count});
    w.embedding_norm = require_norm(weights, "token_embd_norm", s.hidden, p.epsilon);
    for (int64_t i = 0; i < s.layers; ++i) w.layers.push_back(read_post_norm_layer(weights, p, i));
    return w;
}

// ---- Graph
// -----------------------------------------------------------------------------------------------------

class Mpnet final : public PostNormEncoder {
 public:
    Mpnet(const ModelSpec& spec, const Weights& weights)
        : PostNormEncoder(spec), w_(read_weights(weights, p_)) {
        heads_ = read_encoder_heads(weights, p_.size, w_.tokens, p_.epsilon);
        heads_.pooler_activation = p_.pooler_activation;
        // The head has this one whatever the layers have.
        heads_.mlm_activation = Activation::Gelu;
    }

 private:
    // LayerNorm(token + position): [H, T].
    ggml_tensor* embeddings(GraphBuilder& b, const EncoderBatch& batch) const override {
        ggml_tensor* sum = embed_sum(
            b.block("embed"), {{w_.tokens, b.input(batch.ids)}, {w_.positions, b.input(batch.positions)}});
        return norm(b.block("norm"), w_.embedding_norm, sum);
    }

    const PostNormLayer& layer(int64_t index) const override { return w_.layers[static_cast<size_t>(index)]; }

    void bias_scores(GraphBuilder& b, const RaggedBatch& batch, bool plain,
                     AttentionExtras& extras) const override {
        const DistanceBias distances = {w_.bucket_bias, &buckets_};
        if (!plain) {
            extras.distances = distances;
            return;
        }
        require_score_memory(b, batch, p_.size.heads, p_.size.heads);
        extras.biases = distance_biases(b, batch, distances);
    }

    MpnetWeights w_;
    std::vector<int32_t> buckets_ = buckets_of_distances();
};

}  // namespace

std::unique_ptr<EncoderModel> make_mpnet(const ModelSpec& spec, const Weights& weights) {
    return std::make_unique<Mpnet>(spec, weights);
}

}  // namespace ggml_transformers
