// BERT: Devlin et al., arXiv:1810.04805, as Hugging Face's BertModel computes it.
// Post-LN encoder with learned positions and segments; pooler, and the heads the checkpoint has: masked
// token, next sentence, classifiers of the sequence and of every token, start and end of an answer.
#include <cmath>

#include "models/bind.h"
#include "models/model.h"

namespace ggml_transformers {

namespace {

// ---- Hyper-parameters
// ------------------------------------------------------------------------------------------

struct BertParameters {
    ModelSize size;
    int64_t feed_forward = 0;  // F
    float epsilon = 0.0f;
    Activation activation = Activation::Gelu;
};

BertParameters read_parameters(const ModelSpec& spec) {
    BertParameters p;
    p.size = read_size(spec);
    p.size.segments = spec.integer("segmentCount", 0, 1024);
    p.feed_forward = spec.integer("feedForwardLength", 1, 16'000'000);
    p.epsilon = static_cast<float>(spec.non_negative("layerNormEpsilon"));
    p.activation = activation_from_name(spec.string("activation"));
    return p;
}

// ---- Weights
// ---------------------------------------------------------------------------------------------------

struct BertLayer {
    Projections projections;  // [H, 3H], or three of [H, H]
    Linear attention_output;  // [H, H]
    Norm attention_norm;      // [H]
    Linear up;                // [H, F]
    Linear down;              // [F, H]
    Norm output_norm;         // [H]
};

struct BertWeights {
    ggml_tensor* tokens = nullptr;     // [H, V]
    ggml_tensor* positions = nullptr;  // [H, context]
    ggml_tensor* segments = nullptr;   // [H, segments], or null
    Norm embedding_norm;               // [H]
    std::vector<BertLayer> layers;     // L
    Linear pooler;                     // [H, H]
    Linear mlm_transform;              // [H, H]
    Norm mlm_norm;                     // [H]
    Linear mlm_output;                 // [H, V]; the token embedding when tied
    Linear next_sentence;              // [H, 2]
    Linear sequence_labels;            // [H, labels]
    Linear token_labels;               // [H, labels]
    Linear answer;                     // [H, 2]
};

BertLayer read_layer(const Weights& weights, const BertParameters& p, int64_t index) {
    const std::string prefix = "blk." + std::to_string(index) + ".";
    const int64_t hidden = p.size.hidden;
    BertLayer layer;
    if (weights.extent(prefix + "attn_qkv.weight", 0) != 0) {
        layer.projections.fused = require_linear(weights, prefix + "attn_qkv", hidden, 3 * hidden);
    } else {
        layer.projections.query = require_linear(weights, prefix + "attn_q", hidden, hidden);
        layer.projections.key = require_linear(weights, prefix + "attn_k", hidden, hidden);
        layer.projections.value = require_linear(weights, prefix + "attn_v", hidden, hidden);
    }
    layer.attention_output = require_linear(weights, prefix + "attn_output", hidden, hidden);
    layer.attention_norm = require_norm(weights, prefix + "attn_output_norm", hidden, p.epsilon);
    layer.up = require_linear(weights, prefix + "ffn_up", hidden, p.feed_forward);
    layer.down = require_linear(weights, prefix + "ffn_down", p.feed_forward, hidden);
    layer.output_norm = require_norm(weights, prefix + "layer_output_norm", hidden, p.epsilon);
    return layer;
}

BertWeights read_weights(const Weights& weights, const BertParameters& p) {
    const ModelSize& s = p.size;
    BertWeights w;
    w.tokens = weights.require("token_embd.weight", {s.hidden, s.vocabulary});
    w.positions = weights.require("position_embd.weight", {s.hidden, s.context});
    if (s.segments > 0) w.segments = weights.require("token_types.weight", {s.hidden, s.segments});
    w.embedding_norm = require_norm(weights, "token_embd_norm", s.hidden, p.epsilon);
    for (int64_t i = 0; i < s.layers; ++i) w.layers.push_back(read_layer(weights, p, i));
    w.pooler = find_linear(weights, "cls", s.hidden, s.hidden);
    w.next_sentence = find_linear(weights, "nsp", s.hidden, 2);
    w.sequence_labels = find_classifier(weights, "cls.output", s.hidden);
    w.token_labels = find_classifier(weights, "token_cls", s.hidden);
    w.answer = find_linear(weights, "qa", s.hidden, 2);
    w.mlm_transform = find_linear(weights, "mlm.transform", s.hidden, s.hidden);
    if (w.mlm_transform.weight != nullptr) {
        w.mlm_norm = require_norm(weights, "mlm.transform_norm", s.hidden, p.epsilon);
        w.mlm_output = find_linear(weights, "mlm.output", s.hidden, s.vocabulary);
        if (w.mlm_output.weight == nullptr) w.mlm_output.weight = w.tokens;
    }
    return w;
}

// ---- Graph
// -----------------------------------------------------------------------------------------------------

class Bert final : public EncoderModel {
 public:
    Bert(const ModelSpec& spec, const Weights& weights)
        : p_(read_parameters(spec)), w_(read_weights(weights, p_)) {}

    const ModelSize& size() const override { return p_.size; }

    Heads heads() const override {
        const bool pooler = w_.pooler.weight != nullptr;
        Heads heads;
        heads.pooler = pooler;
        heads.mlm = w_.mlm_transform.weight != nullptr;
        heads.next_sentence = pooler && w_.next_sentence.weight != nullptr;
        heads.sequence_labels = pooler ? labels_of(w_.sequence_labels) : 0;
        heads.token_labels = labels_of(w_.token_labels);
        heads.question_answering = w_.answer.weight != nullptr;
        return heads;
    }

    size_t max_nodes(size_t groups) const override {
        constexpr size_t per_layer = 48, per_group = 20, around = 64;
        return around + static_cast<size_t>(p_.size.layers) * (per_layer + per_group * groups);
    }

    EncoderOutputs build(GraphBuilder& b, const EncoderBatch& batch,
                         const EncoderWants& wants) const override {
        EncoderOutputs out;
        ggml_tensor* x = embeddings(b, batch);  // [H, T]
        if (wants.hidden_states) out.hidden_states.push_back(b.output(x));
        for (int64_t i = 0; i < p_.size.layers; ++i) {
            if (wants.attentions) out.attentions.emplace_back();
            x = layer(b, batch.layout, i, x, wants.attentions ? &out.attentions.back() : nullptr);  // [H, T]
            if (wants.hidden_states) out.hidden_states.push_back(b.output(x));
        }
        out.last_hidden = b.output(x);
        build_heads(b, batch, wants, out);
        return out;
    }

 private:
    // LayerNorm(token + position + segment): [H, T].
    ggml_tensor* embeddings(GraphBuilder& b, const EncoderBatch& batch) const {
        std::vector<Lookup> lookups = {{w_.tokens, b.input(batch.ids)},
                                       {w_.positions, b.input(batch.positions)}};
        if (w_.segments != nullptr) lookups.push_back({w_.segments, b.input(batch.segments)});
        ggml_tensor* sum = embed_sum(b.block("embed"), lookups);
        return norm(b.block("norm"), w_.embedding_norm, sum);
    }

    // x = LN(x + attention(x)); x = LN(x + feed_forward(x)).
    ggml_tensor* layer(GraphBuilder& b, const RaggedBatch& batch, int64_t index, ggml_tensor* x,
                       std::vector<ggml_tensor*>* scores) const {
        const BertLayer& l = w_.layers[static_cast<size_t>(index)];
        const float scale = 1.0f / std::sqrt(static_cast<float>(p_.size.hidden / p_.size.heads));
        const Qkv qkv = project(b.block("qkv"), l.projections, x);
        ggml_tensor* a = attention(b.block("attention"), batch, qkv, p_.size.heads, scale, scores);
        a = linear(b.block("attention output"), l.attention_output, a);
        x = add_norm(b.block("norm"), l.attention_norm, a, x);
        ggml_tensor* f = linear(b.block("ffn up"), l.up, p_.activation, x);  // [F, T]
        f = linear(b.block("ffn down"), l.down, f);
        return add_norm(b.block("norm"), l.output_norm, f, x);
    }

    void build_heads(GraphBuilder& b, const EncoderBatch& batch, const EncoderWants& wants,
                     EncoderOutputs& out) const {
        if (wants.pooler || wants.next_sentence || wants.sequence_labels) {
            b.block("pooler");
            ggml_tensor* cls = embed(b, {out.last_hidden, b.input(batch.cls_rows)});  // [H, B]
            out.pooler = b.output(linear(b, w_.pooler, Activation::Tanh, cls));       // [H, B]
        }
        if (wants.next_sentence) {
            ggml_tensor* scores = linear(b.block("next-sentence head"), w_.next_sentence, out.pooler);
            out.next_sentence = b.output(scores);  // [2, B]
        }
        if (wants.sequence_labels) {
            ggml_tensor* scores = linear(b.block("sequence classifier"), w_.sequence_labels, out.pooler);
            out.sequence_labels = b.output(scores);  // [labels, B]
        }
        if (wants.token_labels) {
            ggml_tensor* scores = linear(b.block("token classifier"), w_.token_labels, out.last_hidden);
            out.token_labels = b.output(scores);  // [labels, T]
        }
        if (wants.answer) {
            out.answer = b.output(linear(b.block("answer head"), w_.answer, out.last_hidden));  // [2, T]
        }
        if (wants.mlm) {
            b.block("masked-token head");
            ggml_tensor* x = embed(b, {out.last_hidden, b.input(batch.mlm_rows)});  // [H, M]
            x = linear(b, w_.mlm_transform, p_.activation, x);                      // [H, M]
            out.mlm = b.output(linear(b, w_.mlm_output, norm(b, w_.mlm_norm, x)));  // [V, M]
        }
    }

    static int64_t labels_of(const Linear& classifier) {
        return classifier.weight == nullptr ? 0 : classifier.weight->ne[1];
    }

    BertParameters p_;
    BertWeights w_;
};

}  // namespace

std::unique_ptr<EncoderModel> make_bert(const ModelSpec& spec, const Weights& weights) {
    return std::make_unique<Bert>(spec, weights);
}

}  // namespace ggml_transformers
