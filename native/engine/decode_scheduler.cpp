#include "engine/decode_scheduler.h"

#include <algorithm>

#include "engine/system.h"

namespace ggml_transformers {

namespace {

constexpr size_t most_active = 64;  // sequences that share a step; the rest wait

}  // namespace

DecodeScheduler::DecodeScheduler(const DecoderModel& model, Device& device, FusedCpu* fused, Profile* profile,
                                 int64_t token_budget, std::atomic<uint64_t>& kv_bytes)
    : model_(model),
      device_(device),
      runner_(device, profile),
      fused_(fused),
      token_budget_(token_budget),
      kv_bytes_(kv_bytes) {}

void DecodeScheduler::step(const std::function<bool()>& stopping) {
    drop_cancelled();
    admit();
    const std::vector<Turn> turns = take_turns();
    if (turns.empty()) return;
    try {
        run(turns, stopping);
    } catch (...) {
        const Error error = current_error();
        for (const Turn& turn : turns) {
            turn.job->fail(job_error(error, turn.job->cancelled()));
            remove(turn.job);
        }
    }
}

void DecodeScheduler::drop_cancelled() {
    const auto drop = [](auto& jobs) {
        for (const auto& job : jobs) {
            if (job->cancelled()) job->fail(aborted());
        }
        jobs.erase(std::remove_if(jobs.begin(), jobs.end(), [](const auto& job) { return job->cancelled(); }),
                   jobs.end());
    };
    drop(waiting_);
    drop(active_);
}

// Sequences start in the order they came, as many as memory holds KV caches for.
void DecodeScheduler::admit() {
    while (!waiting_.empty() && active_.size() < most_active) {
        const std::shared_ptr<DecodeJob> job = waiting_.front();
        const ModelSize& size = model_.size();
        const int64_t positions = job->positions_needed(size);
        const uint64_t bytes = KvCache::bytes_for(size.layers, size.hidden, positions);
        if (!has_memory(bytes) && !active_.empty()) return;  // when another ends, there may be room
        waiting_.pop_front();
        try {
            require_memory(bytes, "The KV cache");
            job->cache = std::make_unique<KvCache>(device_, size.layers, size.hidden, positions, kv_bytes_);
            job->started();
            active_.push_back(job);
        } catch (...) {
            job->fail(current_error());
        }
    }
}

// Every decoding sequence brings its token; prompts share what is left of the budget, in order, so that
// running streams keep flowing while a long prompt is evaluated piece by piece.
std::vector<DecodeScheduler::Turn> DecodeScheduler::take_turns() {
    std::vector<Turn> turns;
    int64_t left = token_budget_;
    for (const auto& job : active_) {
        if (job->pending() != 1) continue;
        turns.push_back({job, job->slice(1)});
        --left;
    }
    for (const auto& job : active_) {
        if (job->pending() == 1 || (left <= 0 && !turns.empty())) continue;
        turns.push_back({job, job->slice(std::max<int64_t>(left, 1))});
        left -= static_cast<int64_t>(turns.back().slice.ids.size());
    }
    return turns;
}

void DecodeScheduler::run(const std::vector<Turn>& turns, const std::function<bool()>& stopping) {
    std::vector<DecoderSlice> slices;
    for (const Turn& turn : turns) slices.push_back(turn.slice);
    GraphBuilder builder(model_.max_nodes(slices.size()), fused_);
    const ggml_tensor* logits = model_.build(builder, slices);
    const auto nobody_waits = [&turns] {
        return std::all_of(turns.begin(), turns.end(),
                           [](const Turn& turn) { return turn.job->cancelled(); });
    };
    runner_.run(builder, [&] { return stopping() || nobody_waits(); });

    const ModelSize& size = model_.size();
    int64_t row = 0;
    std::vector<float> rows;
    for (const Turn& turn : turns) {
        const auto count = static_cast<int64_t>(turn.slice.ids.size());
        turn.job->advance(count);
        const int64_t wanted = turn.slice.all_logits ? count : (turn.slice.last_logits ? 1 : 0);
        if (wanted == 0) continue;
        rows.resize(static_cast<size_t>(wanted * size.vocabulary));
        read_output(logits, rows.data(), row * size.vocabulary, wanted * size.vocabulary);
        row += wanted;
        if (turn.job->receive(rows.data(), wanted, size)) remove(turn.job);
    }
}

void DecodeScheduler::remove(const std::shared_ptr<DecodeJob>& job) {
    active_.erase(std::remove(active_.begin(), active_.end(), job), active_.end());
}

}  // namespace ggml_transformers
