#include "engine/encode_scheduler.h"

#include <algorithm>

#include "graph/fused.h"

namespace ggml_transformers {

EncodeScheduler::EncodeScheduler(const EncoderModel& model, const PooledProjections& projections,
                                 Device& device, FusedCpu* fused, Profile* profile, int64_t token_budget)
    : model_(model),
      projections_(projections),
      device_(device),
      runner_(device, profile),
      projection_runner_(device, profile),
      fused_(fused),
      token_budget_(token_budget) {}

void EncodeScheduler::step(const std::function<bool()>& stopping) {
    drop_cancelled();
    pick_batch();
    if (picks_.empty()) return;
    try {
        run_batch(stopping);
    } catch (...) {
        fail(current_error());
    }
    picks_.clear();
}

void EncodeScheduler::release_activations() {
    runner_.release();
    projection_runner_.release();
    graphs_.release();
}

void EncodeScheduler::drop_cancelled() {
    // Asked once: a job may be cancelled at any moment, and none is to go untold.
    const auto tell = [](const auto& job) {
        const bool cancelled = job->cancel.cancelled();
        if (cancelled) job->completion.finish(aborted());
        return cancelled;
    };
    jobs_.erase(std::remove_if(jobs_.begin(), jobs_.end(), tell), jobs_.end());
}

// What little is left of the job is a small part of a batch.
bool EncodeScheduler::is_express(const EncodeJob& job) const {
    return job.tokens_left() <= token_budget_ / 4;
}

// Whether short requests go first. They would otherwise wait for the rest of a full batch; one that is filled
// comes at least every second time.
bool EncodeScheduler::wants_express_batch() const {
    const auto express = [this](const auto& job) { return is_express(*job); };
    return !last_was_express_ && std::any_of(jobs_.begin(), jobs_.end(), express) &&
           !std::all_of(jobs_.begin(), jobs_.end(), express);
}

// Whether the batch at hand, of that many tokens, has room for one more sequence. The weights of the
// vocabulary are many numbers for each.
bool EncodeScheduler::fits(const Pick& pick, int64_t tokens) const {
    constexpr int64_t most_weights = 16'000'000;
    if (tokens + pick.length() > token_budget_) return false;
    const auto sequences = static_cast<int64_t>(picks_.size()) + 1;
    return !pick.job->request.sparse || sequences * model_.size().vocabulary <= most_weights;
}

// Takes a sequence from each job in turn until the budget is spent. The oldest job decides which outputs the
// batch has.
void EncodeScheduler::pick_batch() {
    picks_.clear();
    const bool express = wants_express_batch();
    last_was_express_ = express;
    const EncodeJob* sample = nullptr;
    int64_t tokens = 0;
    bool progress = !jobs_.empty();
    while (progress) {
        progress = false;
        for (const auto& job : jobs_) {
            if (job->next == job->sequences() || (express && !is_express(*job))) continue;
            if (sample == nullptr) sample = job.get();
            if (!job->same_outputs(*sample)) continue;
            const Pick pick{job, job->next, picks_.size()};
            if (!picks_.empty() && !fits(pick, tokens)) continue;
            picks_.push_back(pick);
            tokens += pick.length();
            ++job->next;
            progress = true;
        }
    }
    std::sort(picks_.begin(), picks_.end(), [](const Pick& a, const Pick& b) {
        return a.length() != b.length() ? a.length() < b.length() : a.order < b.order;
    });
}

namespace {

// Appends sequence `index` of the job to the batch.
void append_sequence(const EncodeJob& job, int64_t index, EncoderBatch& batch) {
    const auto first = static_cast<int32_t>(batch.layout.tokens());
    const int64_t begin = job.offsets[static_cast<size_t>(index)];
    const int64_t end = job.offsets[static_cast<size_t>(index) + 1];
    batch.layout.add(end - begin);
    batch.cls_rows.push_back(first);
    batch.last_rows.push_back(first + static_cast<int32_t>(end - begin) - 1);
    for (int64_t i = begin; i < end; ++i) {
        const auto at = static_cast<size_t>(i);
        batch.ids.push_back(job.request.ids[at]);
        batch.segments.push_back(job.request.segments.empty() ? 0 : job.request.segments[at]);
        batch.positions.push_back(static_cast<int32_t>(i - begin));
    }
    if (job.mlm_rows.empty()) return;
    for (const auto& [position, row] : job.mlm_rows[static_cast<size_t>(index)]) {
        batch.mlm_rows.push_back(first + position);
    }
}

}  // namespace

void EncodeScheduler::lay_out_batch() {
    batch_.layout.clear();
    for (auto* values : {&batch_.ids, &batch_.segments, &batch_.positions, &batch_.cls_rows,
                         &batch_.last_rows, &batch_.mlm_rows})
        values->clear();
    for (const Pick& pick : picks_) append_sequence(*pick.job, pick.sequence, batch_);
}

EncoderWants EncodeScheduler::wants() const {
    const EncodeRequest& sample = picks_.front().job->request;
    EncoderWants wants;
    wants.hidden_states = sample.hidden_states;
    wants.attentions = sample.attentions;
    wants.pooler = sample.pooler;
    wants.next_sentence = sample.next_sentence;
    wants.mlm = !batch_.mlm_rows.empty();
    wants.sequence_labels = sample.sequence_labels;
    wants.token_labels = sample.token_labels;
    wants.answer = sample.answer;
    wants.replaced_tokens = sample.replaced_tokens;
    if (sample.sparse) wants.sparse = sample.sparse->pooling;
    return wants;
}

void EncodeScheduler::run_batch(const std::function<bool()>& stopping) {
    lay_out_batch();
    const EncoderWants wanted = wants();
    const ModelSize& size = model_.size();
    const bool fused = fused_ != nullptr && model_.keeps_graphs() &&
                       FusedCpu::covers_head(size.hidden / size.heads) && !wanted.attentions;
    if (fused) {
        run_graph(graphs_.find(wanted, [&](const GraphBuilder* smaller) { return build(wanted, smaller); }),
                  stopping);
    } else {
        run_graph(*build_for_one_batch(wanted), stopping);
    }
}

std::unique_ptr<EncodeScheduler::Graphs::Graph> EncodeScheduler::build(const EncoderWants& wanted,
                                                                       const GraphBuilder* smaller) {
    auto graph = std::make_unique<Graphs::Graph>(Graphs::Graph{
        wanted, GraphBuilder(model_.max_nodes(0), device_, fused_, token_budget_, smaller), {}});
    graph->outputs = model_.build(graph->builder, batch_, wanted);
    return graph;
}

std::unique_ptr<EncodeScheduler::Graphs::Graph> EncodeScheduler::build_for_one_batch(
    const EncoderWants& wanted) {
    const size_t groups = batch_.layout.groups().size();
    const size_t nodes = model_.max_nodes(groups) + (device_.is_host() ? 0 : 8 + 8 * groups);
    auto graph =
        std::make_unique<Graphs::Graph>(Graphs::Graph{wanted, GraphBuilder(nodes, device_, fused_), {}});
    graph->outputs = model_.build(graph->builder, batch_, wanted);
    device_pooled_ = device_.is_host() ? nullptr : pool_on_device(graph->builder, graph->outputs.last_hidden);
    return graph;
}

// One row of a sequence is less to copy than all of them. Null where there is nothing of that kind to pool.
ggml_tensor* EncodeScheduler::pool_on_device(GraphBuilder& b, ggml_tensor* last_hidden) const {
    const std::optional<Pooling>& pooling = picks_.front().job->request.pooling;
    const auto same = [&](const Pick& pick) { return pick.job->request.pooling == pooling; };
    if (!pooling || *pooling == Pooling::Max || !std::all_of(picks_.begin(), picks_.end(), same)) {
        return nullptr;
    }
    b.block("pooling");
    if (*pooling == Pooling::Mean) return b.output(mean_rows(b, batch_.layout, nullptr, last_hidden));
    const auto& rows = *pooling == Pooling::Cls ? batch_.cls_rows : batch_.last_rows;
    return b.output(embed(b, {last_hidden, b.input(rows)}));
}

void EncodeScheduler::run_graph(Graphs::Graph& graph, const std::function<bool()>& stopping) {
    const auto nobody_waits = [this] {
        return std::all_of(picks_.begin(), picks_.end(),
                           [](const Pick& p) { return p.job->cancel.cancelled(); });
    };
    const auto should_abort = [&] { return stopping() || nobody_waits(); };
    runner_.run(graph.builder, should_abort);
    pool_batch(graph.outputs.last_hidden, should_abort);
    deliver(graph.outputs);
}

void EncodeScheduler::pool_batch(const ggml_tensor* last_hidden, const std::function<bool()>& should_abort) {
    const int64_t hidden = model_.size().hidden;
    const auto wants_pooling = [](const Pick& pick) { return pick.job->request.pooling.has_value(); };
    pooled_.clear();
    if (std::none_of(picks_.begin(), picks_.end(), wants_pooling)) return;
    pooled_.resize(picks_.size() * static_cast<size_t>(hidden));
    if (device_pooled_ != nullptr) {
        read_output(device_pooled_, pooled_.data(), 0, static_cast<int64_t>(pooled_.size()));
    }
    for (size_t i = 0; i < picks_.size() && device_pooled_ == nullptr; ++i) {
        const Pick& pick = picks_[i];
        if (!wants_pooling(pick)) continue;
        const auto index = static_cast<int64_t>(i);
        const float* rows =
            view_output(last_hidden, batch_.layout.offset(index) * hidden, pick.length() * hidden, rows_);
        pool(*pick.job->request.pooling, rows, pick.length(), hidden, pooled_.data() + index * hidden);
    }
    if (projections_.empty()) return;
    const auto count = static_cast<int64_t>(picks_.size());
    GraphBuilder builder(projections_.max_nodes(), device_, fused_);
    ggml_tensor* projected = projections_.build(builder, builder.input(std::move(pooled_), hidden, count));
    builder.output(projected);
    projection_runner_.run(builder, should_abort);
    pooled_.resize(static_cast<size_t>(count * projections_.size()));
    read_output(projected, pooled_.data(), 0, count * projections_.size());
}

namespace {

// Copies the results of one sequence, whose first token is row `row` of the batch.
class Delivery {
 public:
    Delivery(EncodeJob& job, int64_t sequence, const ModelSize& size, int64_t row,
             std::vector<float>& storage)
        : job_(job),
          sequence_(sequence),
          size_(size),
          row_(row),
          storage_(storage),
          first_(job.offsets[static_cast<size_t>(sequence)]),
          length_(job.offsets[static_cast<size_t>(sequence) + 1] - first_) {}

    void last_hidden(const ggml_tensor* tensor) const { all_tokens(tensor, job_.result.last_hidden); }

    // `rows` [B, width]
    void pooled(const std::vector<float>& rows, int64_t width, int64_t index) const {
        float* out = job_.result.pooled.data + sequence_ * width;
        std::copy_n(rows.data() + index * width, width, out);
        if (job_.request.normalize) normalize(out, width);
    }

    void hidden_states(const std::vector<ggml_tensor*>& tensors) const {
        const int64_t values = length_ * size_.hidden;
        float* out = job_.result.hidden_states.data + (size_.layers + 1) * first_ * size_.hidden;
        for (const ggml_tensor* tensor : tensors) {
            read_output(tensor, out, row_ * size_.hidden, values);
            out += values;
        }
    }

    // `scores` of the sequence's group [S, S, A, n], one per layer; the sequence is number `index` of the
    // group.
    void attentions(const std::vector<std::vector<ggml_tensor*>>& scores, size_t group, int64_t index) const {
        const int64_t values = size_.heads * length_ * length_;
        float* out = job_.result.attentions.data + job_.attention_offsets[static_cast<size_t>(sequence_)];
        for (const auto& layer : scores) {
            read_output(layer[group], out, index * values, values);
            out += values;
        }
    }

    void pooler(const ggml_tensor* tensor, int64_t index) const {
        read_output(tensor, job_.result.pooler.data + sequence_ * size_.hidden, index * size_.hidden,
                    size_.hidden);
    }

    void next_sentence(const ggml_tensor* tensor, int64_t index) const {
        read_output(tensor, job_.result.next_sentence.data + sequence_ * 2, index * 2, 2);
    }

    void sequence_labels(const ggml_tensor* tensor, int64_t index) const {
        const int64_t labels = tensor->ne[0];
        read_output(tensor, job_.result.sequence_labels.data + sequence_ * labels, index * labels, labels);
    }

    void token_labels(const ggml_tensor* tensor) const { all_tokens(tensor, job_.result.token_labels); }
    void answer(const ggml_tensor* tensor) const { all_tokens(tensor, job_.result.answer); }
    void replaced_tokens(const ggml_tensor* tensor) const { all_tokens(tensor, job_.result.replaced_tokens); }

    // `outputs` has the weights, or the logits they are made of.
    void sparse(const EncoderOutputs& outputs, int64_t index) const {
        const SparseRequest& wanted = *job_.request.sparse;
        const int64_t n = size_.vocabulary;
        std::vector<float> made;
        const float* weights = nullptr;
        if (outputs.vocabulary != nullptr) {
            weights = view_output(outputs.vocabulary, index * n, n, storage_);
        } else {
            const float* logits = view_output(outputs.vocabulary_logits, row_ * n, length_ * n, storage_);
            made.assign(static_cast<size_t>(n), 0.0f);
            for (int64_t i = 0; i < length_; ++i) add_logits(wanted.pooling, logits + i * n, n, made.data());
            finish_weights(wanted.pooling, n, made.data());
            weights = made.data();
        }
        job_.result.sparse[static_cast<size_t>(sequence_)] =
            sparse_vector(weights, n, wanted.threshold, wanted.most);
    }

    // Returns the batch's next masked-token row.
    int64_t mlm(const ggml_tensor* tensor, int64_t batch_row) const {
        if (job_.mlm_rows.empty()) return batch_row;
        for (const auto& [position, row] : job_.mlm_rows[static_cast<size_t>(sequence_)]) {
            read_output(tensor, job_.result.mlm_logits.data + row * size_.vocabulary,
                        batch_row * size_.vocabulary, size_.vocabulary);
            ++batch_row;
        }
        return batch_row;
    }

 private:
    void all_tokens(const ggml_tensor* tensor, const Floats& out) const {
        const int64_t width = tensor->ne[0];
        read_output(tensor, out.data + first_ * width, row_ * width, length_ * width);
    }

    EncodeJob& job_;
    int64_t sequence_;
    const ModelSize& size_;
    int64_t row_;
    std::vector<float>& storage_;  // for rows that cannot be used where they are
    int64_t first_;
    int64_t length_;
};

}  // namespace

void EncodeScheduler::deliver(const EncoderOutputs& outputs) {
    const RaggedBatch& batch = batch_.layout;
    int64_t mlm_row = 0;
    for (size_t g = 0; g < batch.groups().size(); ++g) {
        const RaggedGroup& group = batch.groups()[g];
        for (int64_t i = 0; i < group.count; ++i) {
            const int64_t index = group.first_sequence + i;
            const Pick& pick = picks_[static_cast<size_t>(index)];
            EncodeJob& job = *pick.job;
            const Delivery delivery(job, pick.sequence, model_.size(), batch.offset(index), rows_);
            if (job.request.last_hidden) delivery.last_hidden(outputs.last_hidden);
            if (job.request.pooling) delivery.pooled(pooled_, projections_.size(), index);
            if (job.request.hidden_states) delivery.hidden_states(outputs.hidden_states);
            if (job.request.attentions) delivery.attentions(outputs.attentions, g, i);
            if (job.request.pooler) delivery.pooler(outputs.pooler, index);
            if (job.request.next_sentence) delivery.next_sentence(outputs.next_sentence, index);
            if (job.request.sequence_labels) delivery.sequence_labels(outputs.sequence_labels, index);
            if (job.request.token_labels) delivery.token_labels(outputs.token_labels);
            if (job.request.answer) delivery.answer(outputs.answer);
            if (job.request.replaced_tokens) delivery.replaced_tokens(outputs.replaced_tokens);
            if (job.request.sparse) delivery.sparse(outputs, index);
            mlm_row = delivery.mlm(outputs.mlm, mlm_row);
            if (--job.remaining == 0) job.completion.finish(std::move(job.result));
        }
    }
    jobs_.erase(
        std::remove_if(jobs_.begin(), jobs_.end(), [](const auto& job) { return job->remaining == 0; }),
        jobs_.end());
}

void EncodeScheduler::fail(const Error& error) {
    const auto in_batch = [this](const auto& job) {
        return std::any_of(picks_.begin(), picks_.end(),
                           [&job](const Pick& pick) { return pick.job == job; });
    };
    for (const Pick& pick : picks_) {
        pick.job->completion.finish(job_error(error, pick.job->cancel.cancelled()));
    }
    jobs_.erase(std::remove_if(jobs_.begin(), jobs_.end(), in_batch), jobs_.end());
}

}  // namespace ggml_transformers
