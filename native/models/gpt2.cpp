// GPT-2: Radford et al., "Language Models are Unsupervised Multitask Learners" (2019), as Hugging Face's
// GPT2LMHeadModel computes it. Pre-LN decoder with learned absolute positions. Some layers may look back only
// so far, as in GPT-Neo (Black et al., 2021).
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
    int64_t local_reach = -1;             // how many tokens local layers see before each; -1: none are local
    std::string local_layers;             // '1' for each local layer, '0' for each other
};

Gpt2Parameters read_parameters(const ModelSpec& spec) {
    Gpt2Parameters p;
    p.size = read_size(spec);
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

// As in blocks.h.
int64_t reach_of(const Gpt2Parameters& p, int64_t layer) {
    const auto index = static_cast<size_t>(layer);
    return index < p.local_layers.size() && p.local_layers[index] == '1' ? p.local_reach : -1;
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
    Linear sequence_labels;            // [H, labels], of a classifier
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
    w.sequence_labels = find_classifier(weights, "cls.output", s.hidden);
    return w;
}

// ---- Graph
// -----------------------------------------------------------------------------------------------------

// [K, n]: each of the sequence's new tokens sees the past and the new tokens up to itself, as far as it
// reaches.
ggml_tensor* causal_mask(GraphBuilder& b, const CachedSequence& s, int64_t reach) {
    const int64_t visible = KvLayout::padded(s.past + s.count);
    std::vector<float> mask(static_cast<size_t>(visible * s.count), -std::numeric_limits<float>::infinity());
    for (int64_t i = 0; i < s.count; ++i) {
        const int64_t at = s.past + i, first = reach < 0 ? 0 : std::max<int64_t>(0, at - reach);
        std::fill_n(mask.begin() + i * visible + first, at + 1 - first, 0.0f);
    }
    return b.input(std::move(mask), visible, s.count);
}

std::vector<ggml_tensor*> causal_masks(GraphBuilder& b, const std::vector<CachedSequence>& sequences,
                                       int64_t reach) {
    std::vector<ggml_tensor*> masks;
    for (const CachedSequence& sequence : sequences) masks.push_back(causal_mask(b, sequence, reach));
    return masks;
}

float attention_scale(const Gpt2Parameters& p, int64_t layer) {
    float scale = 1.0f;
    if (p.scale_attention) scale /= std::sqrt(static_cast<float>(p.size.hidden / p.size.heads));
    if (p.scale_by_inverse_layer) scale /= static_cast<float>(layer + 1);
    return scale;
}

// x + feed_forward(LN(x)).
ggml_tensor* feed_forward(GraphBuilder& b, const Gpt2Parameters& p, const Gpt2Layer& l, ggml_tensor* x) {
    ggml_tensor* y = norm(b.block("norm"), l.feed_forward_norm, x);
    ggml_tensor* f = linear(b.block("ffn up"), l.up, p.activation, y);  // [F, T]
    return linear_add(b.block("ffn down"), l.down, f, x);
}

// [S, S] for each group: 0 for what a token sees, itself and those before it as far as it reaches, -infinity
// for the others.
std::vector<ggml_tensor*> causal_masks(GraphBuilder& b, const RaggedBatch& batch, int64_t reach) {
    std::vector<ggml_tensor*> masks;
    for (const RaggedGroup& group : batch.groups()) {
        const int64_t length = group.length;
        std::vector<float> mask(static_cast<size_t>(length * length),
                                -std::numeric_limits<float>::infinity());
        for (int64_t query = 0; query < length; ++query) {
            const int64_t first = reach < 0 ? 0 : std::max<int64_t>(0, query - reach);
            std::fill_n(mask.begin() + query * length + first, query + 1 - first, 0.0f);
        }
        masks.push_back(b.input(std::move(mask), length, length));
    }
    return masks;
}

// Whole sequences without a cache: hidden states, attention maps, and the classifier over the last token.
class Gpt2Encoder final : public EncoderModel {
 public:
    Gpt2Encoder(const Gpt2Parameters& parameters, const Gpt2Weights& weights) : p_(parameters), w_(weights) {}

    const ModelSize& size() const override { return p_.size; }
    Heads heads() const override {
        Heads heads;
        if (w_.sequence_labels.weight != nullptr) heads.sequence_labels = w_.sequence_labels.weight->ne[1];
        return heads;
    }
    bool keeps_graphs() const override { return false; }
    size_t max_nodes(size_t groups) const override {
        constexpr size_t per_layer = 48, per_group = 20, around = 64;
        return around + (static_cast<size_t>(p_.size.layers) + 1) * (per_layer + per_group * groups);
    }

    EncoderOutputs build(GraphBuilder& b, const EncoderBatch& batch,
                         const EncoderWants& wants) const override {
        EncoderOutputs out;
        const bool local = p_.local_reach >= 0;
        require_score_memory(batch.layout, p_.size.heads, local ? 2 : 1);
        AttentionExtras whole, near;
        whole.biases = causal_masks(b.block("attention"), batch.layout, -1);
        if (local) near.biases = causal_masks(b, batch.layout, p_.local_reach);
        ggml_tensor* x =  // [H, T]
            embed_sum(b.block("embed"),
                      {{w_.tokens, b.input(batch.ids)}, {w_.positions, b.input(batch.positions)}});
        for (int64_t i = 0; i < p_.size.layers; ++i) {
            if (wants.hidden_states) out.hidden_states.push_back(b.output(x));
            AttentionExtras& extras = reach_of(p_, i) < 0 ? whole : near;
            if (wants.attentions) extras.scores = &out.attentions.emplace_back();
            x = layer(b, batch.layout, i, x, extras);
        }
        // The last hidden state is the normalized one.
        out.last_hidden = b.output(norm(b.block("norm"), w_.output_norm, x));
        if (wants.hidden_states) out.hidden_states.push_back(out.last_hidden);
        if (wants.sequence_labels) {
            ggml_tensor* last =
                embed(b.block("sequence classifier"), {out.last_hidden, b.input(batch.last_rows)});
            out.sequence_labels = b.output(linear(b, w_.sequence_labels, last));  // [labels, B]
        }
        return out;
    }

 private:
    ggml_tensor* layer(GraphBuilder& b, const RaggedBatch& batch, int64_t index, ggml_tensor* x,
                       const AttentionExtras& extras) const {
        const Gpt2Layer& l = w_.layers[static_cast<size_t>(index)];
        const Qkv qkv = project(b.block("qkv"), l.projections, norm(b.block("norm"), l.attention_norm, x));
        ggml_tensor* y =
            attention(b.block("attention"), batch, qkv, p_.size.heads, attention_scale(p_, index), extras);
        x = linear_add(b.block("attention output"), l.attention_output, y, x);
        return feed_forward(b, p_, l, x);
    }

    const Gpt2Parameters& p_;
    const Gpt2Weights& w_;
};

class Gpt2 final : public DecoderModel {
 public:
    Gpt2(const ModelSpec& spec, const Weights& weights)
        : p_(read_parameters(spec)), w_(read_weights(weights, p_)), encoder_(p_, w_) {}

    const ModelSize& size() const override { return p_.size; }
    const EncoderModel& encoder() const override { return encoder_; }

    size_t max_nodes(size_t sequences) const override {
        constexpr size_t per_layer = 48, per_sequence = 28, around = 64;
        return around + 2 * sequences +
               static_cast<size_t>(p_.size.layers) * (per_layer + per_sequence * sequences);
    }

    ggml_tensor* build(GraphBuilder& b, const DecoderBatch& batch) const override {
        std::vector<ggml_tensor*> masks, local_masks;
        if (!attention_is_fused(b, p_.size.hidden / p_.size.heads)) {
            masks = causal_masks(b, batch.sequences, -1);
            if (p_.local_reach >= 0) local_masks = causal_masks(b, batch.sequences, p_.local_reach);
        }
        ggml_tensor* x =  // [H, T]
            embed_sum(b.block("embed"),
                      {{w_.tokens, b.input(batch.ids)}, {w_.positions, b.input(batch.positions)}});
        for (int64_t i = 0; i < p_.size.layers; ++i) {
            const int64_t reach = reach_of(p_, i);
            x = layer(b, {batch.sequences, reach < 0 ? masks : local_masks, i, reach}, x);  // [H, T]
        }
        b.block("head");
        if (batch.wanted.empty()) {
            b.append(x);
            return nullptr;
        }
        x = embed(b, {x, b.input(batch.wanted)});                           // [H, M]
        return b.output(linear(b, w_.output, norm(b, w_.output_norm, x)));  // [V, M]
    }

 private:
    // x = x + attention(LN(x)); x = x + feed_forward(LN(x)).
    ggml_tensor* layer(GraphBuilder& b, const CachedLayer& cached, ggml_tensor* x) const {
        const Gpt2Layer& l = w_.layers[static_cast<size_t>(cached.layer)];
        ggml_tensor* y = norm(b.block("norm"), l.attention_norm, x);
        const Qkv qkv = project(b.block("qkv"), l.projections, y);
        y = cached_attention(b.block("attention"), cached, qkv, p_.size.heads,
                             attention_scale(p_, cached.layer));
        x = linear_add(b.block("attention output"), l.attention_output, y, x);
        return feed_forward(b, p_, l, x);
    }

    Gpt2Parameters p_;
    Gpt2Weights w_;
    Gpt2Encoder encoder_;
};

}  // namespace

std::unique_ptr<DecoderModel> make_gpt2(const ModelSpec& spec, const Weights& weights) {
    return std::make_unique<Gpt2>(spec, weights);
}

}  // namespace ggml_transformers
