// GPT-NeoX: Black et al., arXiv:2204.06745, and Pythia (Biderman et al., arXiv:2304.01373), as Hugging Face's
// GPTNeoXForCausalLM computes it. Pre-LN decoder with rotary positions in a part of each head, whose
// attention and feed-forward read the same input.
#include <cmath>

#include "engine/error.h"
#include "models/causal_decoder.h"

namespace ggml_transformers {

namespace {

// ---- Hyper-parameters
// ------------------------------------------------------------------------------------------

struct GptNeoxParameters {
    int64_t feed_forward = 0;  // F
    float epsilon = 0.0f;
    Activation activation = Activation::Gelu;
    bool parallel = true;  // attention and feed-forward read the same input
    int64_t rotated = 0;   // R, values of a head that are
    float rope_base = 0.0f;
};

GptNeoxParameters read_parameters(const ModelSpec& spec, const ModelSize& size) {
    GptNeoxParameters p;
    p.feed_forward = spec.integer("feedForwardLength", 1, 16'000'000);
    p.epsilon = static_cast<float>(spec.non_negative("layerNormEpsilon"));
    p.activation = activation_from_name(spec.string("activation"));
    p.parallel = spec.flag("parallelResidual");
    p.rotated = spec.integer("ropeDimensions", 2, size.head());
    p.rope_base = static_cast<float>(spec.non_negative("ropeBase"));
    if (p.rotated % 2 == 0) return p;
    throw Error(ErrorCode::ModelFileInvalid,
                "Rotated values make pairs, but there are " + std::to_string(p.rotated))
        .with("field", std::string("ropeDimensions"));
}

// ---- Weights
// ---------------------------------------------------------------------------------------------------

struct GptNeoxLayer {
    Norm attention_norm;      // [H]
    Projections projections;  // [H, 3H]
    Linear attention_output;  // [H, H]
    Norm feed_forward_norm;   // [H]
    Linear up;                // [H, F]
    Linear down;              // [F, H]
};

struct GptNeoxWeights {
    ggml_tensor* tokens = nullptr;     // [H, V]
    std::vector<GptNeoxLayer> layers;  // L
};

GptNeoxLayer read_layer(const Weights& weights, int64_t hidden, const GptNeoxParameters& p, int64_t index) {
    const std::string prefix = "blk." + std::to_string(index) + ".";
    GptNeoxLayer layer;
    layer.attention_norm = require_norm(weights, prefix + "attn_norm", hidden, p.epsilon);
    layer.projections.fused = require_linear(weights, prefix + "attn_qkv", hidden, 3 * hidden);
    layer.attention_output = require_linear(weights, prefix + "attn_output", hidden, hidden);
    layer.feed_forward_norm = require_norm(weights, prefix + "ffn_norm", hidden, p.epsilon);
    layer.up = require_linear(weights, prefix + "ffn_up", hidden, p.feed_forward);
    layer.down = require_linear(weights, prefix + "ffn_down", p.feed_forward, hidden);
    return layer;
}

GptNeoxWeights read_weights(const Weights& weights, const ModelSize& s, const GptNeoxParameters& p) {
    GptNeoxWeights w;
    w.tokens = weights.require("token_embd.weight", {s.hidden, s.vocabulary});
    for (int64_t i = 0; i < s.layers; ++i) w.layers.push_back(read_layer(weights, s.hidden, p, i));
    return w;
}

// ---- Graph
// -----------------------------------------------------------------------------------------------------

class GptNeox final : public CausalDecoder {
 public:
    GptNeox(const ModelSpec& spec, const Weights& weights)
        : CausalDecoder(spec), p_(read_parameters(spec, size())), w_(read_weights(weights, size(), p_)) {
        heads_ = CausalHeads::read(weights, size(), w_.tokens, p_.epsilon, true);
    }

 private:
    ggml_tensor* embeddings(GraphBuilder& b, const CausalInputs& in) const override {
        return embed(b, {w_.tokens, in.ids});
    }

    Rotation rotation(GraphBuilder& b, ggml_tensor* positions) const override {
        return make_rotation(b, positions, size().head(), p_.rotated, p_.rope_base);
    }

    // x = x + attention(LN1(x)) + feed_forward(LN2(x)), or, not parallel,
    // x = x + attention(LN1(x)); x = x + feed_forward(LN2(x)).
    ggml_tensor* layer(GraphBuilder& b, const CausalInputs& in, int64_t index, ggml_tensor* x,
                       const Attend& attend) const override {
        const GptNeoxLayer& l = w_.layers[static_cast<size_t>(index)];
        const float scale = 1.0f / std::sqrt(static_cast<float>(size().head()));
        ggml_tensor* y = norm(b.block("norm"), l.attention_norm, x);
        const Qkv qkv = project(b.block("qkv"), l.projections, y);
        y = attend(rotate(b.block("rotation"), qkv, in.rotation), scale);
        y = linear_add(b.block("attention output"), l.attention_output, y, x);

        ggml_tensor* f = norm(b.block("norm"), l.feed_forward_norm, p_.parallel ? x : y);
        f = linear(b.block("ffn up"), l.up, p_.activation, f);  // [F, T]
        return linear_add(b.block("ffn down"), l.down, f, y);
    }

    GptNeoxParameters p_;
    GptNeoxWeights w_;
};

}  // namespace

std::unique_ptr<DecoderModel> make_gpt_neox(const ModelSpec& spec, const Weights& weights) {
    return std::make_unique<GptNeox>(spec, weights);
}

}  // namespace ggml_transformers
