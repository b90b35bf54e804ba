#include "models/encoder_heads.h"

#include "graph/fused.h"

namespace ggml_transformers {

EncoderHeads read_encoder_heads(const Weights& weights, const ModelSize& size, ggml_tensor* tokens,
                                float epsilon, NormBias bias) {
    const int64_t embedding = tokens->ne[0];  // E
    EncoderHeads heads;
    heads.pooler = find_linear(weights, "cls", size.hidden, size.hidden);
    heads.next_sentence = find_linear(weights, "nsp", size.hidden, 2);
    heads.sequence_labels = find_classifier(weights, "cls.output", size.hidden);
    heads.token_labels = find_classifier(weights, "token_cls", size.hidden);
    heads.answer = find_linear(weights, "qa", size.hidden, 2);
    heads.replaced_transform = find_linear(weights, "rtd.transform", size.hidden, size.hidden);
    heads.replaced_tokens = find_linear(weights, "rtd.output", size.hidden, 1);
    heads.mlm_transform = find_linear(weights, "mlm.transform", size.hidden, embedding);
    if (heads.mlm_transform.weight != nullptr) {
        heads.mlm_norm = require_norm(weights, "mlm.transform_norm", embedding, epsilon, bias);
        heads.mlm_output = find_linear(weights, "mlm.output", embedding, size.vocabulary);
        if (heads.mlm_output.weight == nullptr) heads.mlm_output.weight = tokens;
    }
    return heads;
}

namespace {

int64_t labels_of(const Linear& classifier) {
    return classifier.weight == nullptr ? 0 : classifier.weight->ne[1];
}

}  // namespace

Heads EncoderHeads::present() const {
    const bool has_pooler = pooler.weight != nullptr;
    Heads heads;
    heads.pooler = has_pooler;
    heads.mlm = mlm_transform.weight != nullptr;
    heads.next_sentence = has_pooler && next_sentence.weight != nullptr;
    heads.sequence_labels = has_pooler ? labels_of(sequence_labels) : 0;
    heads.token_labels = labels_of(token_labels);
    heads.question_answering = answer.weight != nullptr;
    heads.replaced_tokens = replaced_transform.weight != nullptr && replaced_tokens.weight != nullptr;
    return heads;
}

void EncoderHeads::build(GraphBuilder& b, const EncoderBatch& batch, const EncoderWants& wants,
                         EncoderOutputs& out) const {
    if (wants.pooler || wants.next_sentence || wants.sequence_labels) {
        b.block("pooler");
        ggml_tensor* first = b.input(batch.cls_rows);
        ggml_tensor* pooled = pooler_of_mean ? mean_rows(b, batch.layout, first, out.last_hidden)
                                             : embed(b, {out.last_hidden, first});
        out.pooler = b.output(pool(b, pooled));  // [H, B]
    }
    if (wants.next_sentence) {
        ggml_tensor* scores = linear(b.block("next-sentence head"), next_sentence, out.pooler);
        out.next_sentence = b.output(scores);  // [2, B]
    }
    if (wants.sequence_labels) {
        ggml_tensor* scores = linear(b.block("sequence classifier"), sequence_labels, out.pooler);
        out.sequence_labels = b.output(scores);  // [labels, B]
    }
    ggml_tensor* tokens = out.last_hidden;  // [H, T]
    if (pooler_for_tokens && (wants.token_labels || wants.answer)) tokens = pool(b.block("pooler"), tokens);
    if (wants.token_labels) {
        ggml_tensor* scores = linear(b.block("token classifier"), token_labels, tokens);
        out.token_labels = b.output(scores);  // [labels, T]
    }
    if (wants.answer) {
        out.answer = b.output(linear(b.block("answer head"), answer, tokens));  // [2, T]
    }
    if (wants.replaced_tokens) {
        b.block("replaced-token head");
        ggml_tensor* x = linear(b, replaced_transform, replaced_activation, out.last_hidden);  // [H, T]
        out.replaced_tokens = b.output(linear(b, replaced_tokens, x));                         // [1, T]
    }
    if (wants.mlm) {
        b.block("masked-token head");
        ggml_tensor* x = embed(b, {out.last_hidden, b.input(batch.mlm_rows)});      // [H, M]
        out.mlm = b.output(linear(b, mlm_output, transform_for_vocabulary(b, x)));  // [V, M]
    }
    if (wants.sparse) {
        ggml_tensor* x = transform_for_vocabulary(b.block("sparse head"), out.last_hidden);  // [E, T]
        if (b.fused() == nullptr) {
            out.vocabulary_logits = b.output(linear(b, mlm_output, x));  // [V, T]
        } else {
            out.vocabulary = b.output(b.fused()->vocabulary_weights(
                b, mlm_output, *wants.sparse, batch.layout, b.input(batch.cls_rows), x));  // [V, B]
        }
    }
}

// [H, M] -> [H, M].
ggml_tensor* EncoderHeads::pool(GraphBuilder& b, ggml_tensor* x) const {
    x = linear(b, pooler, pooler_activation, x);
    return pooler_norm.weight == nullptr ? x : norm(b, pooler_norm, x);
}

// What the logits of the vocabulary are products of: [H, M] -> [E, M].
ggml_tensor* EncoderHeads::transform_for_vocabulary(GraphBuilder& b, ggml_tensor* x) const {
    return norm(b, mlm_norm, linear(b, mlm_transform, mlm_activation, x));
}

}  // namespace ggml_transformers
