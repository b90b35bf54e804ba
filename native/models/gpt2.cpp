// GPT-2: Radford et al., "Language Models are Unsupervised Multitask Learners" (2019), as Hugging Face's
// GPT2LMHeadModel computes it. Pre-LN decoder with learned absolute positions. Some layers may look back only
// so far, as in GPT-Neo (Black et al., 2021); all heads of queries may share keys and values, as in StarCoder
// (Li et al., arXiv:2305.06161); norms may come after, and embeddings be narrower than layers, as in the OPT
// of 350 million (Zhang et al., arXiv:2205.01068).
#include <cmath>

#include "models/causal_decoder.h"

namespace ggml_transformers {

namespace {

// ---- Hyper-parameters
// ------------------------------------------------------------------------------------------

struct Gpt2Parameters {
    int64_t feed_forward = 0;  // F
    float epsilon = 0.0f;
    Activation activation = Activation::GeluTanh;
    bool scale_attention = true;          // scores / sqrt(D)
    bool scale_by_inverse_layer = false;  // scores / (layer + 1)
    int64_t local_reach = -1;             // how many tokens local layers see before each; -1: none are local
    std::string local_layers;             // '1' for each local layer, '0' for each other
};

Gpt2Parameters read_parameters(const ModelSpec& spec) {
    Gpt2Parameters p;
    p.feed_forward = spec.integer("feedForwardLength", 1, 16'000'000);
    p.epsilon = static_cast<float>(spec.non_negative("layerNormEpsilon"));
    p.activation = activation_from_name(spec.string("activation"));
    p.scale_attention = spec.flag("scaleAttention");
    p.scale_by_inverse_layer = spec.flag("scaleAttentionByInverseLayer");
    const auto local = spec.strings.find("localLayers");
    if (local == spec.strings.end()) return p;
    p.local_layers = local->second;
    p.local_reach = spec.integer("localWindow", 1, 16'000'000) - 1;
    return p;
}

// ---- Weights
// ---------------------------------------------------------------------------------------------------

struct Gpt2Layer {
    Norm attention_norm;      // [H]
    Projections projections;  // [H, H + 2G], or [H, H] and two of [H, G]; G is H unless heads share keys
    Linear attention_output;  // [H, H]
    Norm feed_forward_norm;   // [H]
    Linear up;                // [H, F]
    Linear down;              // [F, H]
};

struct Gpt2Weights {
    ggml_tensor* tokens = nullptr;     // [E, V]
    Linear embedding_projection;       // [E, H], or null and E is H
    ggml_tensor* positions = nullptr;  // [H, context]
    bool norms_after = false;          // LN(x + f(x)) instead of x + f(LN(x))
    std::vector<Gpt2Layer> layers;     // L
};

Gpt2Layer read_layer(const Weights& weights, const ModelSize& s, const Gpt2Parameters& p, bool norms_after,
                     int64_t index) {
    const std::string prefix = "blk." + std::to_string(index) + ".";
    const int64_t hidden = s.hidden;
    const char* const attention_norm = norms_after ? "attn_output_norm" : "attn_norm";
    const char* const feed_forward_norm = norms_after ? "layer_output_norm" : "ffn_norm";
    Gpt2Layer layer;
    layer.attention_norm = require_norm(weights, prefix + attention_norm, hidden, p.epsilon);
    if (weights.extent(prefix + "attn_q.weight", 0) != 0) {
        layer.projections.query = require_linear(weights, prefix + "attn_q", hidden, hidden);
        layer.projections.key = require_linear(weights, prefix + "attn_k", hidden, s.kv_hidden());
        layer.projections.value = require_linear(weights, prefix + "attn_v", hidden, s.kv_hidden());
    } else {
        layer.projections.fused =
            require_linear(weights, prefix + "attn_qkv", hidden, hidden + 2 * s.kv_hidden());
    }
    layer.attention_output = require_linear(weights, prefix + "attn_output", hidden, hidden);
    layer.feed_forward_norm = require_norm(weights, prefix + feed_forward_norm, hidden, p.epsilon);
    layer.up = require_linear(weights, prefix + "ffn_up", hidden, p.feed_forward);
    layer.down = require_linear(weights, prefix + "ffn_down", p.feed_forward, hidden);
    return layer;
}

Gpt2Weights read_weights(const Weights& weights, const ModelSize& s, const Gpt2Parameters& p) {
    Gpt2Weights w;
    const int64_t projected = weights.extent("token_embd_projection.weight", 0);
    const int64_t embedding = projected == 0 ? s.hidden : projected;  // E
    w.tokens = weights.require("token_embd.weight", {embedding, s.vocabulary});
    w.embedding_projection = find_linear(weights, "token_embd_projection", embedding, s.hidden);
    w.positions = weights.require("position_embd.weight", {s.hidden, s.context});
    w.norms_after = weights.extent("blk.0.attn_output_norm.weight", 0) != 0;
    for (int64_t i = 0; i < s.layers; ++i) w.layers.push_back(read_layer(weights, s, p, w.norms_after, i));
    return w;
}

// ---- Graph
// -----------------------------------------------------------------------------------------------------

class Gpt2 final : public CausalDecoder {
 public:
    Gpt2(const ModelSpec& spec, const Weights& weights)
        : CausalDecoder(spec), p_(read_parameters(spec)), w_(read_weights(weights, size(), p_)) {
        heads_ = CausalHeads::read(weights, size(), w_.tokens, p_.epsilon, !w_.norms_after);
    }

 private:
    ggml_tensor* embeddings(GraphBuilder& b, const CausalInputs& in) const override {
        const Lookup tokens = {w_.tokens, in.ids}, positions = {w_.positions, in.positions};
        if (w_.embedding_projection.weight == nullptr) return embed_sum(b, {tokens, positions});
        ggml_tensor* x = embed(b, tokens);  // [E, T]
        return linear_add(b.block("embedding projection"), w_.embedding_projection, x, embed(b, positions));
    }

    // x = x + attention(LN(x)); x = x + feed_forward(LN(x)). With norms after:
    // x = LN(x + attention(x)); x = LN(x + feed_forward(x)).
    ggml_tensor* layer(GraphBuilder& b, const CausalInputs&, int64_t index, ggml_tensor* x,
                       const Attend& attend) const override {
        const Gpt2Layer& l = w_.layers[static_cast<size_t>(index)];
        ggml_tensor* y = w_.norms_after ? x : norm(b.block("norm"), l.attention_norm, x);
        y = attend(project(b.block("qkv"), l.projections, y), attention_scale(index));
        x = linear_add(b.block("attention output"), l.attention_output, y, x);
        if (w_.norms_after) x = norm(b.block("norm"), l.attention_norm, x);

        y = w_.norms_after ? x : norm(b.block("norm"), l.feed_forward_norm, x);
        y = linear(b.block("ffn up"), l.up, p_.activation, y);  // [F, T]
        x = linear_add(b.block("ffn down"), l.down, y, x);
        return w_.norms_after ? norm(b.block("norm"), l.feed_forward_norm, x) : x;
    }

    int64_t reach(int64_t layer) const override {
        const auto index = static_cast<size_t>(layer);
        return index < p_.local_layers.size() && p_.local_layers[index] == '1' ? p_.local_reach : -1;
    }

    float attention_scale(int64_t layer) const {
        float scale = 1.0f;
        if (p_.scale_attention) scale /= std::sqrt(static_cast<float>(size().head()));
        if (p_.scale_by_inverse_layer) scale /= static_cast<float>(layer + 1);
        return scale;
    }

    Gpt2Parameters p_;
    Gpt2Weights w_;
};

}  // namespace

std::unique_ptr<DecoderModel> make_gpt2(const ModelSpec& spec, const Weights& weights) {
    return std::make_unique<Gpt2>(spec, weights);
}

}  // namespace ggml_transformers
