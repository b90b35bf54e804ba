#include "engine/decode_scheduler.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "graph/fused.h"

namespace ggml_transformers {

namespace {

constexpr size_t most_at_work = 64;  // requests that share a step; the rest wait

// Those that wait for something from outside have nothing to do.
bool at_work(const DecodeJob& job) { return !job.waiting() || (job.companion && !job.companion->waiting()); }

KvLayout layout_of(const ModelSize& size, const Device& device, bool fused,
                   std::shared_ptr<std::atomic<uint64_t>> kv_bytes) {
    KvLayout layout;
    layout.memory = device.memory();
    layout.layers = size.layers;
    layout.hidden = size.kv_hidden();
    layout.head = size.head();
    layout.fused = fused && FusedCpu::covers_head(layout.head);
    layout.in_use = std::move(kv_bytes);
    return layout;
}

}  // namespace

DecodeScheduler::DecodeScheduler(const DecoderModel& model, Device& device, FusedCpu* fused, Profile* profile,
                                 int64_t token_budget, const KvLimits& limits,
                                 std::shared_ptr<std::atomic<uint64_t>> kv_bytes)
    : model_(model),
      device_(device),
      runner_(device, profile),
      fused_(fused),
      token_budget_(token_budget),
      kv_budget_(limits.budget),
      layout_(layout_of(model.size(), device, fused != nullptr, std::move(kv_bytes))),
      prompts_(layout_, limits.prompt_cache) {}

void DecodeScheduler::step(const std::function<bool()>& stopping) {
    drop_cancelled();
    resume_waiting();
    pause();
    unpause();
    admit();
    choose();
    take_turns();
    stalled_ = turns_.empty();
    if (stalled_) return;
    try {
        run(stopping);
    } catch (...) {
        const Error error = current_error();
        for (const Turn& turn : turns_) {
            if (turn.job->cancelled())
                turn.job->cancel();
            else
                turn.job->fail(job_error(error, false));
            remove(turn.job);
        }
    }
    turns_.clear();
    chosen_.clear();
}

void DecodeScheduler::release_activations() {
    runner_.release();
    graphs_.release();
}

void DecodeScheduler::drop_cancelled() {
    // Asked once: a job may be cancelled at any moment, and none is to go untold.
    const auto tell = [](const auto& job) {
        const bool cancelled = job->cancelled();
        if (cancelled) job->cancel();
        return cancelled;
    };
    const auto drop = [&](auto& jobs) {
        jobs.erase(std::remove_if(jobs.begin(), jobs.end(), tell), jobs.end());
    };
    drop(waiting_);
    drop(active_);
    drop(paused_);
}

void DecodeScheduler::resume_waiting() {
    const auto finished = [this](const auto& job) { return job->waiting() && job->resume(model_.size()); };
    active_.erase(std::remove_if(active_.begin(), active_.end(), finished), active_.end());
}

void DecodeScheduler::pause() {
    const auto first =
        std::stable_partition(active_.begin(), active_.end(), [](const auto& job) { return !job->paused(); });
    std::for_each(first, active_.end(), [](const auto& job) { job->pause(); });
    std::move(first, active_.end(), std::back_inserter(paused_));
    active_.erase(first, active_.end());
}

// Sequences that may go on do so in the order in which they were paused.
void DecodeScheduler::unpause() {
    for (auto next = paused_.begin(); next != paused_.end() && has_place();) {
        if ((*next)->paused()) {
            ++next;
            continue;
        }
        const std::shared_ptr<DecodeJob> job = std::move(*next);
        next = paused_.erase(next);
        if (!job->unpause(model_.size())) active_.push_back(job);
    }
}

bool DecodeScheduler::has_place() const {
    const auto taken =
        std::count_if(active_.begin(), active_.end(), [](const auto& job) { return at_work(*job); });
    return static_cast<size_t>(taken) < most_at_work;
}

// Sequences start in the order they came, as many as memory holds KV caches for.
void DecodeScheduler::admit() {
    while (!waiting_.empty() && has_place()) {
        const std::shared_ptr<DecodeJob> job = waiting_.front();
        uint64_t bytes = job->lane_bytes(layout_, model_.size());
        for (DecodeJob* each : {job.get(), job->companion.get()}) {
            if (each == nullptr) continue;
            if (!each->cache) each->open_cache(layout_, prompts_);
            bytes += each->cache->missing_bytes(each->positions_needed(model_.size()),
                                                each->positions_wanted(model_.size()));
        }
        while (!has_room(bytes) && prompts_.drop_oldest()) {
        }
        const bool is_alone = active_.empty() && paused_.empty();
        if (!has_room(bytes) && !is_alone) return;  // when another ends, there may be room
        waiting_.pop_front();
        try {
            require_room(bytes);
            for (DecodeJob* each : {job.get(), job->companion.get()}) {
                if (each != nullptr) reserve(*each);
            }
            active_.push_back(job);
        } catch (...) {
            job->fail(current_error());
        }
    }
}

// Memory that was given out may not be in use yet, so that the system does not miss it: the budget does.
bool DecodeScheduler::has_room(uint64_t bytes) const {
    return (kv_budget_ == 0 || layout_.in_use->load() + bytes <= kv_budget_) && layout_.memory.has(bytes);
}

void DecodeScheduler::require_room(uint64_t bytes) const {
    layout_.memory.require(bytes, "The KV cache");
    if (has_room(bytes)) return;
    const uint64_t in_use = layout_.in_use->load();
    throw Error(ErrorCode::OutOfMemory, "The KV cache would need " + std::to_string(bytes) +
                                            " bytes, but of its " + std::to_string(kv_budget_) + " bytes " +
                                            std::to_string(in_use) + " are in use (see kvCacheBudget)")
        .with("required", static_cast<double>(bytes))
        .with("available", static_cast<double>(kv_budget_ > in_use ? kv_budget_ - in_use : 0));
}

void DecodeScheduler::reserve(DecodeJob& job) {
    const ModelSize& size = model_.size();
    job.cache->reserve(job.positions_needed(size), job.past(), job.positions_wanted(size));
    job.started(size);
}

// Where many have waited for something at once, there may be more than share a step: those then take turns.
void DecodeScheduler::choose() {
    chosen_.clear();
    others_.clear();
    bool has_more = false;
    for (const auto& job : active_) {
        const bool has_work = at_work(*job) && !job->paused();
        const bool is_chosen = has_work && chosen_.size() < most_at_work;
        has_more = has_more || (has_work && !is_chosen);
        (is_chosen ? chosen_ : others_).push_back(job);
    }
    if (has_more) {
        active_.swap(others_);
        active_.insert(active_.end(), chosen_.begin(), chosen_.end());
    }
    others_.clear();
}

// Calls use(job, sequence) for the sequences that have something to evaluate.
template <class Use>
void DecodeScheduler::each_sequence(Use&& use) {
    for (const auto& job : chosen_) {
        if (!job->waiting()) use(job, job);
        if (job->companion && !job->companion->waiting()) use(job, job->companion);
    }
}

// Every decoding sequence brings its token, and what is guessed to follow it as far as half of the budget
// lasts. Half of the rest is for beams; prompts share what is left, in order, so that running streams keep
// flowing while a long prompt is evaluated piece by piece.
void DecodeScheduler::take_turns() {
    turns_.clear();
    int64_t left = token_budget_, guesses = token_budget_ / 2;
    each_sequence([&](const auto& job, const auto& sequence) {
        if (!sequence->decodes()) return;
        const int64_t guessed = std::min(sequence->guessed(), guesses);
        turns_.push_back({job, sequence, sequence->slice(1 + guessed)});
        guesses -= guessed;
        left -= 1 + guessed;
    });
    int64_t lanes = left / 2;
    for (const auto& job : chosen_) {
        const int64_t count = std::min(job->lanes(), lanes);
        for (int64_t lane = 0; lane < count; ++lane) turns_.push_back({job, job, job->lane(lane)});
        lanes -= count;
        left -= count;
    }
    each_sequence([&](const auto& job, const auto& sequence) {
        if (sequence->decodes() || sequence->lanes() > 0 || (left <= 0 && !turns_.empty())) return;
        turns_.push_back({job, sequence, sequence->slice(std::max<int64_t>(left, 1))});
        left -= turns_.back().slice.count;
    });
}

void DecodeScheduler::lay_out_batch() {
    batch_.sequences.clear();
    for (auto* values : {&batch_.ids, &batch_.positions, &batch_.wanted}) values->clear();
    for (const Turn& turn : turns_) {
        const DecoderSlice& slice = turn.slice;
        const auto first = static_cast<int64_t>(batch_.ids.size());
        batch_.sequences.push_back({slice.cache, first, slice.count, slice.past});
        batch_.ids.insert(batch_.ids.end(), slice.ids, slice.ids + slice.count);
        for (int64_t i = 0; i < slice.count; ++i) {
            batch_.positions.push_back(static_cast<int32_t>(slice.past + i));
            if (i >= slice.count - slice.wanted) batch_.wanted.push_back(static_cast<int32_t>(first + i));
        }
    }
}

void DecodeScheduler::run(const std::function<bool()>& stopping) {
    lay_out_batch();
    const bool with_logits = !batch_.wanted.empty();
    const auto build = [&](GraphBuilder builder) {
        auto graph = std::make_unique<Graphs::Graph>(Graphs::Graph{with_logits, std::move(builder), nullptr});
        graph->outputs = model_.build(graph->builder, batch_);
        return graph;
    };
    if (layout_.fused) {
        const auto build_reusable = [&](const GraphBuilder* smaller) {
            return build(GraphBuilder(model_.max_nodes(0), device_, fused_, token_budget_, smaller));
        };
        run_graph(graphs_.find(with_logits, build_reusable), stopping);
    } else {
        run_graph(*build(GraphBuilder(model_.max_nodes(turns_.size()), device_, fused_)), stopping);
    }
}

void DecodeScheduler::run_graph(Graphs::Graph& graph, const std::function<bool()>& stopping) {
    const auto nobody_waits = [this] {
        return std::all_of(turns_.begin(), turns_.end(),
                           [](const Turn& turn) { return turn.job->cancelled(); });
    };
    runner_.run(graph.builder, [&] { return stopping() || nobody_waits(); });
    deliver(graph.outputs);
}

void DecodeScheduler::deliver(const ggml_tensor* logits) {
    const ModelSize& size = model_.size();
    int64_t row = 0;
    for (const Turn& turn : turns_) {
        turn.sequence->advance(turn.slice.count);
        const int64_t wanted = turn.slice.wanted;
        if (wanted == 0) continue;
        const float* rows = view_output(logits, row * size.vocabulary, wanted * size.vocabulary, rows_);
        row += wanted;
        if (turn.sequence->receive(rows, wanted, size)) remove(turn.job);
    }
}

void DecodeScheduler::remove(const std::shared_ptr<DecodeJob>& job) {
    active_.erase(std::remove(active_.begin(), active_.end(), job), active_.end());
}

}  // namespace ggml_transformers
