// ModernBERT: Warner et al., arXiv:2412.13663, as Hugging Face's ModernBertModel computes it. Pre-LN encoder
// without biases: rotary positions, gated feed-forward, and attention that looks at everything in some layers
// and only at near tokens in the others.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "models/bind.h"
#include "models/encoder_heads.h"

namespace ggml_transformers {

namespace {

// ---- Hyper-parameters
// ------------------------------------------------------------------------------------------

struct ModernBertParameters {
    ModelSize size;
    int64_t feed_forward = 0;  // F
    float epsilon = 0.0f;
    Activation activation = Activation::Gelu;
    int64_t global_every = 1;  // layers 0, n, 2n, … look at everything
    int64_t reach = 0;         // how far the others look, to either side
    float global_base = 0.0f;  // of the rotation's frequencies
    float local_base = 0.0f;

    bool is_global(int64_t layer) const { return layer % global_every == 0; }
};

ModernBertParameters read_parameters(const ModelSpec& spec) {
    ModernBertParameters p;
    p.size = read_size(spec);
    p.feed_forward = spec.integer("feedForwardLength", 1, 16'000'000);
    p.epsilon = static_cast<float>(spec.non_negative("layerNormEpsilon"));
    p.activation = activation_from_name(spec.string("activation"));
    p.global_every = spec.integer("globalEvery", 1, 1024);
    p.reach = spec.integer("localReach", 0, 16'000'000);
    p.global_base = static_cast<float>(spec.non_negative("globalRopeBase"));
    p.local_base = static_cast<float>(spec.non_negative("localRopeBase"));
    return p;
}

// ---- Weights
// ---------------------------------------------------------------------------------------------------

struct ModernBertLayer {
    Norm attention_norm;      // [H]; the first layer has none
    Projections projections;  // [H, 3H]
    Linear attention_output;  // [H, H]
    Norm feed_forward_norm;   // [H]
    Linear up;                // [H, 2F]: what is activated, then what it gates
    Linear down;              // [F, H]
};

struct ModernBertWeights {
    ggml_tensor* tokens = nullptr;        // [H, V]
    Norm embedding_norm;                  // [H]
    std::vector<ModernBertLayer> layers;  // L
    Norm output_norm;                     // [H]
};

ModernBertLayer read_layer(const Weights& weights, const ModernBertParameters& p, int64_t index) {
    const std::string prefix = "blk." + std::to_string(index) + ".";
    const int64_t hidden = p.size.hidden;
    ModernBertLayer layer;
    if (index > 0)
        layer.attention_norm = require_norm(weights, prefix + "attn_norm", hidden, p.epsilon, NormBias::None);
    layer.projections.fused = require_linear(weights, prefix + "attn_qkv", hidden, 3 * hidden);
    layer.attention_output = require_linear(weights, prefix + "attn_output", hidden, hidden);
    layer.feed_forward_norm = require_norm(weights, prefix + "ffn_norm", hidden, p.epsilon, NormBias::None);
    layer.up = require_linear(weights, prefix + "ffn_up", hidden, 2 * p.feed_forward);
    layer.down = require_linear(weights, prefix + "ffn_down", p.feed_forward, hidden);
    return layer;
}

ModernBertWeights read_weights(const Weights& weights, const ModernBertParameters& p) {
    const ModelSize& s = p.size;
    ModernBertWeights w;
    w.tokens = weights.require("token_embd.weight", {s.hidden, s.vocabulary});
    w.embedding_norm = require_norm(weights, "token_embd_norm", s.hidden, p.epsilon, NormBias::None);
    for (int64_t i = 0; i < s.layers; ++i) w.layers.push_back(read_layer(weights, p, i));
    w.output_norm = require_norm(weights, "output_norm", s.hidden, p.epsilon, NormBias::None);
    return w;
}

// ---- Graph
// -----------------------------------------------------------------------------------------------------

// [S, S] for each group: 0 where a token is near enough to be seen, -infinity elsewhere; null where all are.
std::vector<ggml_tensor*> local_masks(GraphBuilder& b, const RaggedBatch& batch, int64_t reach) {
    std::vector<ggml_tensor*> masks;
    for (const RaggedGroup& group : batch.groups()) {
        const int64_t length = group.length;
        if (length <= reach + 1) {
            masks.push_back(nullptr);
            continue;
        }
        std::vector<float> mask(static_cast<size_t>(length * length),
                                -std::numeric_limits<float>::infinity());
        for (int64_t query = 0; query < length; ++query) {
            const int64_t first = std::max<int64_t>(0, query - reach);
            const int64_t last = std::min(length - 1, query + reach);
            std::fill_n(mask.begin() + query * length + first, last - first + 1, 0.0f);
        }
        masks.push_back(b.input(std::move(mask), length, length));
    }
    return masks;
}

class ModernBert final : public EncoderModel {
 public:
    ModernBert(const ModelSpec& spec, const Weights& weights)
        : p_(read_parameters(spec)),
          w_(read_weights(weights, p_)),
          heads_(read_encoder_heads(weights, p_.size, w_.tokens, p_.epsilon, NormBias::None)) {
        if (heads_.pooler.weight == nullptr) return;
        heads_.pooler_activation = Activation::Gelu;
        heads_.pooler_norm = require_norm(weights, "cls.norm", p_.size.hidden, p_.epsilon, NormBias::None);
        heads_.pooler_of_mean = spec.string("classifierPooling") == "mean";
        heads_.pooler_for_tokens = true;
    }

    const ModelSize& size() const override { return p_.size; }
    // What is pooled is a part of the classifier.
    Heads heads() const override {
        Heads heads = heads_.present();
        heads.pooler = false;
        return heads;
    }

    size_t max_nodes(size_t groups) const override {
        constexpr size_t per_layer = 64, per_group = 20, around = 96;
        return around + (static_cast<size_t>(p_.size.layers) + 1) * (per_layer + per_group * groups);
    }

    EncoderOutputs build(GraphBuilder& b, const EncoderBatch& batch,
                         const EncoderWants& wants) const override {
        EncoderOutputs out;
        const ModelSize& s = p_.size;
        ggml_tensor* positions = b.block("rotation").input(batch.positions);
        Run run = {batch.layout,
                   make_rotation(b, positions, s.head(), s.head(), p_.global_base),
                   make_rotation(b, positions, s.head(), s.head(), p_.local_base),
                   {}};
        if (wants.attentions || !attention_is_fused(b, p_.size.hidden / p_.size.heads)) {
            require_score_memory(b, batch.layout, p_.size.heads, 1);
            run.local_masks = local_masks(b.block("attention"), batch.layout, p_.reach);
        }
        ggml_tensor* x = embed(b.block("embed"), {w_.tokens, b.input(batch.ids)});  // [H, T]
        x = norm(b.block("norm"), w_.embedding_norm, x);
        for (int64_t i = 0; i < p_.size.layers; ++i) {
            if (wants.hidden_states) out.hidden_states.push_back(b.output(x));
            if (wants.attentions) out.attentions.emplace_back();
            x = layer(b, run, i, x, wants.attentions ? &out.attentions.back() : nullptr);  // [H, T]
        }
        out.last_hidden = b.output(norm(b.block("norm"), w_.output_norm, x));
        if (wants.hidden_states) out.hidden_states.push_back(out.last_hidden);
        heads_.build(b, batch, wants, out);
        return out;
    }

 private:
    // What all layers of one graph read.
    struct Run {
        const RaggedBatch& batch;
        Rotation global;
        Rotation local;
        std::vector<ggml_tensor*> local_masks;  // one for each group, for plain operations
    };

    // x = x + attention(LN(x)); x = x + feed_forward(LN(x)).
    ggml_tensor* layer(GraphBuilder& b, const Run& run, int64_t index, ggml_tensor* x,
                       std::vector<ggml_tensor*>* scores) const {
        const ModernBertLayer& l = w_.layers[static_cast<size_t>(index)];
        ggml_tensor* y = index == 0 ? x : norm(b.block("norm"), l.attention_norm, x);
        y = attend(b, run, index, y, scores);
        x = linear_add(b.block("attention output"), l.attention_output, y, x);
        y = norm(b.block("norm"), l.feed_forward_norm, x);
        y = gated_linear(b.block("ffn up"), l.up, p_.activation, y);  // [F, T]
        return linear_add(b.block("ffn down"), l.down, y, x);
    }

    ggml_tensor* attend(GraphBuilder& b, const Run& run, int64_t index, ggml_tensor* x,
                        std::vector<ggml_tensor*>* scores) const {
        const ModernBertLayer& l = w_.layers[static_cast<size_t>(index)];
        const bool global = p_.is_global(index);
        const float scale = 1.0f / std::sqrt(static_cast<float>(p_.size.head()));
        const Qkv qkv = rotate(b.block("rotation"), project(b.block("qkv"), l.projections, x),
                               global ? run.global : run.local);
        AttentionExtras extras;
        extras.scores = scores;
        if (!global) {
            extras.biases = run.local_masks;
            extras.reach = p_.reach;
        }
        return attention(b.block("attention"), run.batch, qkv, p_.size.heads, scale, extras);
    }

    ModernBertParameters p_;
    ModernBertWeights w_;
    EncoderHeads heads_;
};

}  // namespace

std::unique_ptr<EncoderModel> make_modern_bert(const ModelSpec& spec, const Weights& weights) {
    return std::make_unique<ModernBert>(spec, weights);
}

}  // namespace ggml_transformers
