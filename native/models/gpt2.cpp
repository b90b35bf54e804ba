// GPT-2: Radford et al., "Language Models are Unsupervised Multitask Learners" (2019), as Hugging Face's
// GPT2LMHeadModel computes it. Pre-LN decoder with learned absolute positions.
#include <algorithm>
#include <cmath>
#include <limits>

#include "models/bind.h"
#include "models/model.h"

namespace ggml_transformers {

namespace {

// ---- Hyper-parameters
// ------------------------------------------------------------------------------------------

struct Gpt2Parameters {
    ModelSize size;
    int64_t feed_forward = 0;  // F
    float epsilon = 0.0f;
    Activation activation = Activation::GeluTanh;
    bool scale_attention = true;          // scores / sqrt(D)
    bool scale_by_inverse_layer = false;  // scores / (layer + 1)
};

Gpt2Parameters read_parameters(const ModelSpec& spec) {
    Gpt2Parameters p;
    p.size = read_size(spec);
    p.feed_forward = spec.integer("feedForwardLength", 1, 16'000'000);
    p.epsilon = static_cast<float>(spec.non_negative("layerNormEpsilon"));
    p.activation = activation_from_name(spec.string("activation"));
    p.scale_attention = spec.flag("scaleAttention");
    p.scale_by_inverse_layer = spec.flag("scaleAttentionByInverseLayer");
    return p;
}

// ---- Weights
// ---------------------------------------------------------------------------------------------------

struct Gpt2Layer {
    Norm attention_norm;      // [H]
    Projections projections;  // [H, 3H], or three of [H, H]
    Linear attention_output;  // [H, H]
    Norm feed_forward_norm;   // [H]
    Linear up;                // [H, F]
    Linear down;              // [F, H]
};

struct Gpt2Weights {
    ggml_tensor* tokens = nullptr;     // [H, V]
    ggml_tensor* positions = nullptr;  // [H, context]
    std::vector<Gpt2Layer> layers;     // L
    Norm output_norm;                  // [H]
    Linear output;                     // [H, V]; the token embedding when tied
};

Gpt2Layer read_layer(const Weights& weights, const Gpt2Parameters& p, int64_t index) {
    const std::string prefix = "blk." + std::to_string(index) + ".";
    const int64_t hidden = p.size.hidden;
    Gpt2Layer layer;
    layer.attention_norm = require_norm(weights, prefix + "attn_norm", hidden, p.epsilon);
    if (weights.extent(prefix + "attn_q.weight", 0) != 0) {
        layer.projections.query = require_linear(weights, prefix + "attn_q", hidden, hidden);
        layer.projections.key = require_linear(weights, prefix + "attn_k", hidden, hidden);
        layer.projections.value = require_linear(weights, prefix + "attn_v", hidden, hidden);
    } else {
        layer.projections.fused = require_linear(weights, prefix + "attn_qkv", hidden, 3 * hidden);
    }
    layer.attention_output = require_linear(weights, prefix + "attn_output", hidden, hidden);
    layer.feed_forward_norm = require_norm(weights, prefix + "ffn_norm", hidden, p.epsilon);
    layer.up = require_linear(weights, prefix + "ffn_up", hidden, p.feed_forward);
    layer.down = require_linear(weights, prefix + "ffn_down", p.feed_forward, hidden);
    return layer;
}

Gpt2Weights read_weights(const Weights& weights, const Gpt2Parameters& p) {
    const ModelSize& s = p.size;
    Gpt2Weights w;
    w.tokens = weights.require("token_embd.weight", {s.hidden, s.vocabulary});
    w.positions = weights.require("position_embd.weight", {s.hidden, s.context});
    for (int64_t i = 0; i < s.layers; ++i) w.layers.push_back(read_layer(weights, p, i));
    w.output_norm = require_norm(weights, "output_norm", s.hidden, p.epsilon);
    w.output.weight = weights.find("output.weight", {s.hidden, s.vocabulary});
    if (w.output.weight == nullptr) w.output.weight = w.tokens;
    return w;
}

// ---- Graph
// -----------------------------------------------------------------------------------------------------

// The slices laid end to end, and each one's causal mask.
struct Layout {
    std::vector<int32_t> ids;        // [T]
    std::vector<int32_t> positions;  // [T]
    std::vector<int32_t> wanted;     // [M]: tokens whose logits are wanted
    std::vector<CachedSequence> sequences;
};

// [K, n]: query i of the slice sees the past and the new tokens up to itself.
ggml_tensor* causal_mask(GraphBuilder& b, int64_t past, int64_t count) {
    const int64_t visible = KvCache::padded(past + count);
    std::vector<float> mask(static_cast<size_t>(visible * count), -std::numeric_limits<float>::infinity());
    for (int64_t i = 0; i < count; ++i) {
        std::fill_n(mask.begin() + i * visible, past + i + 1, 0.0f);
    }
    return b.input(mask, visible, count);
}

Layout lay_out(GraphBuilder& b, const std::vector<DecoderSlice>& slices) {
    Layout layout;
    for (const DecoderSlice& slice : slices) {
        CachedSequence s;
        s.first_token = static_cast<int64_t>(layout.ids.size());
        s.count = static_cast<int64_t>(slice.ids.size());
        s.past = slice.past;
        s.mask = causal_mask(b, s.past, s.count);
        layout.sequences.push_back(s);
        for (int64_t i = 0; i < s.count; ++i) {
            const bool last = i + 1 == s.count;
            if (slice.all_logits || (slice.last_logits && last)) {
                layout.wanted.push_back(static_cast<int32_t>(s.first_token + i));
            }
            layout.ids.push_back(slice.ids[static_cast<size_t>(i)]);
            layout.positions.push_back(static_cast<int32_t>(s.past + i));
        }
    }
    return layout;
}

class Gpt2 final : public DecoderModel {
 public:
    Gpt2(const ModelSpec& spec, const Weights& weights)
        : p_(read_parameters(spec)), w_(read_weights(weights, p_)) {}

    const ModelSize& size() const override { return p_.size; }

    size_t max_nodes(size_t sequences) const override {
        constexpr size_t per_layer = 48, per_sequence = 28, around = 64;
        return around + sequences +
               static_cast<size_t>(p_.size.layers) * (per_layer + per_sequence * sequences);
    }

    ggml_tensor* build(GraphBuilder& b, const std::vector<DecoderSlice>& slices) const override {
        Layout layout = lay_out(b, slices);
        ggml_tensor* x =  // [H, T]
            embed_sum(b.block("embed"),
                      {{w_.tokens, b.input(layout.ids)}, {w_.positions, b.input(layout.positions)}});
        for (int64_t i = 0; i < p_.size.layers; ++i) {
            for (size_t s = 0; s < slices.size(); ++s) {
                layout.sequences[s].keys = slices[s].cache->keys(i);
                layout.sequences[s].values = slices[s].cache->values(i);
            }
            x = layer(b, layout.sequences, i, x);  // [H, T]
        }
        b.block("head");
        if (layout.wanted.empty()) {
            b.append(x);
            return nullptr;
        }
        x = embed(b, {x, b.input(layout.wanted)});                          // [H, M]
        return b.output(linear(b, w_.output, norm(b, w_.output_norm, x)));  // [V, M]
    }

 private:
    // x = x + attention(LN(x)); x = x + feed_forward(LN(x)).
    ggml_tensor* layer(GraphBuilder& b, const std::vector<CachedSequence>& sequences, int64_t index,
                       ggml_tensor* x) const {
        const Gpt2Layer& l = w_.layers[static_cast<size_t>(index)];
        ggml_tensor* y = norm(b.block("norm"), l.attention_norm, x);
        const Qkv qkv = project(b.block("qkv"), l.projections, y);
        y = cached_attention(b.block("attention"), sequences, qkv, p_.size.heads, attention_scale(index));
        x = linear_add(b.block("attention output"), l.attention_output, y, x);
        y = norm(b.block("norm"), l.feed_forward_norm, x);
        ggml_tensor* f = linear(b.block("ffn up"), l.up, p_.activation, y);  // [F, T]
        return linear_add(b.block("ffn down"), l.down, f, x);
    }

    float attention_scale(int64_t index) const {
        float scale = 1.0f;
        if (p_.scale_attention) scale /= std::sqrt(static_cast<float>(p_.size.hidden / p_.size.heads));
        if (p_.scale_by_inverse_layer) scale /= static_cast<float>(index + 1);
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
