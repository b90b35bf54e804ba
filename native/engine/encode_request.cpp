// What a request must satisfy before it is queued.
#include <algorithm>
#include <string>

#include "engine/encode_scheduler.h"
#include "engine/system.h"

namespace ggml_transformers {

namespace {

void check_heads(const EncodeRequest& request, const Heads& heads) {
    const auto need = [](bool wanted, bool present, const char* what) {
        if (!wanted || present) return;
        throw Error(ErrorCode::Unsupported, std::string("This model has no ") + what)
            .with("missing", std::string(what));
    };
    need(request.pooler, heads.pooler, "pooler");
    need(request.next_sentence, heads.next_sentence, "next-sentence head");
    need(!request.mlm_positions.empty() || request.sparse, heads.mlm, "masked-token head");
    need(request.sequence_labels, heads.sequence_labels > 0, "sequence classifier");
    need(request.token_labels, heads.token_labels > 0, "token classifier");
    need(request.answer, heads.question_answering, "question-answering head");
    need(request.replaced_tokens, heads.replaced_tokens, "replaced-token head");
}

void check_lengths(const EncodeRequest& request, int64_t context) {
    int64_t total = 0;
    for (const int32_t length : request.lengths) {
        if (length < 1)
            throw Error(ErrorCode::InvalidArgument, "Expected at least one token in each sequence");
        if (length > context) {
            throw Error(ErrorCode::InputTooLong, "The input has " + std::to_string(length) +
                                                     " tokens, more than the model's " +
                                                     std::to_string(context))
                .with("length", length)
                .with("limit", static_cast<double>(context));
        }
        total += length;
    }
    const auto tokens = static_cast<int64_t>(request.ids.size());
    if (total != tokens) {
        throw Error(ErrorCode::InvalidArgument, "Expected lengths that add up to the " +
                                                    std::to_string(tokens) + " ids but they add up to " +
                                                    std::to_string(total));
    }
    if (!request.segments.empty() && request.segments.size() != request.ids.size()) {
        throw Error(ErrorCode::InvalidArgument, "Expected as many segments as ids");
    }
}

void check_values(const std::vector<int32_t>& values, int64_t limit, const char* name) {
    for (const int32_t value : values) {
        if (value >= 0 && value < limit) continue;
        throw Error(ErrorCode::InvalidArgument, std::string("Expected ") + name + " from 0 to " +
                                                    std::to_string(limit - 1) + " but received " +
                                                    std::to_string(value))
            .with("value", value)
            .with("limit", static_cast<double>(limit));
    }
}

}  // namespace

void check_encode_request(const EncodeRequest& request, const ModelSize& size, const Heads& heads) {
    check_heads(request, heads);
    check_lengths(request, size.context);
    check_values(request.ids, size.vocabulary, "token ids");
    if (size.segments > 0) check_values(request.segments, size.segments, "segment ids");
    check_values(request.mlm_positions, static_cast<int64_t>(request.ids.size()), "mask positions");
}

EncodeJob::EncodeJob(EncodeRequest request_, const ModelSize& size, const Heads& heads, CancelToken cancel_,
                     Completion<EncodeResult> completion_, const OutputMemory& memory)
    : request(std::move(request_)), cancel(std::move(cancel_)), completion(std::move(completion_)) {
    offsets.reserve(request.lengths.size() + 1);
    attention_offsets.reserve(request.lengths.size() + 1);
    offsets.push_back(0);
    attention_offsets.push_back(0);
    for (const int64_t length : request.lengths) {
        offsets.push_back(offsets.back() + length);
        attention_offsets.push_back(attention_offsets.back() + size.layers * size.heads * length * length);
    }
    remaining = sequences();

    if (!request.mlm_positions.empty()) mlm_rows.resize(static_cast<size_t>(sequences()));
    for (size_t row = 0; row < request.mlm_positions.size(); ++row) {
        const int64_t position = request.mlm_positions[row];
        const auto sequence = static_cast<size_t>(std::upper_bound(offsets.begin(), offsets.end(), position) -
                                                  offsets.begin() - 1);
        mlm_rows[sequence].emplace_back(static_cast<int32_t>(position - offsets[sequence]),
                                        static_cast<int64_t>(row));
    }

    take_memory(size, heads, memory);
}

void EncodeJob::take_memory(const ModelSize& size, const Heads& heads, const OutputMemory& memory) {
    const int64_t tokens = offsets.back();
    const auto want = [](bool wanted, int64_t values, Floats& output) {
        output.size = static_cast<size_t>(wanted ? values : 0);
    };
    EncodeResult& r = result;
    want(request.pooling.has_value(), sequences() * size.embedding, r.pooled);
    want(request.last_hidden, tokens * size.hidden, r.last_hidden);
    want(request.pooler, sequences() * size.hidden, r.pooler);
    want(request.hidden_states, (size.layers + 1) * tokens * size.hidden, r.hidden_states);
    want(request.attentions, attention_offsets.back(), r.attentions);
    want(true, static_cast<int64_t>(request.mlm_positions.size()) * size.vocabulary, r.mlm_logits);
    want(request.next_sentence, sequences() * 2, r.next_sentence);
    want(request.sequence_labels, sequences() * heads.sequence_labels, r.sequence_labels);
    want(request.token_labels, tokens * heads.token_labels, r.token_labels);
    want(request.answer, tokens * 2, r.answer);
    want(request.replaced_tokens, tokens, r.replaced_tokens);

    size_t values = 0;
    for (const EncodeOutput& output : encode_outputs) values += (r.*output.numbers).size;
    if (request.sparse) {
        const int64_t most = std::min(request.sparse->most, size.vocabulary);
        values += static_cast<size_t>(sequences() * 2 * most);
        r.sparse.resize(static_cast<size_t>(sequences()));
    }
    require_memory(values * sizeof(float), "The results (fewer outputs or texts at a time need less)");
    for (const EncodeOutput& output : encode_outputs) {
        Floats& floats = r.*output.numbers;
        if (floats.size == 0) continue;
        floats.data = memory ? memory(output.name, floats.size) : r.own.emplace_back(floats.size).data();
    }
}

bool EncodeJob::same_outputs(const EncodeJob& other) const {
    const EncodeRequest& a = request;
    const EncodeRequest& b = other.request;
    const auto pooling = [](const EncodeRequest& r) {
        return r.sparse ? std::optional(r.sparse->pooling) : std::nullopt;
    };
    return pooling(a) == pooling(b) && a.hidden_states == b.hidden_states && a.attentions == b.attentions &&
           a.pooler == b.pooler && a.next_sentence == b.next_sentence &&
           a.sequence_labels == b.sequence_labels && a.token_labels == b.token_labels &&
           a.answer == b.answer && a.replaced_tokens == b.replaced_tokens;
}

}  // namespace ggml_transformers
