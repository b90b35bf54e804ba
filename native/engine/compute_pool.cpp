#include "engine/compute_pool.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace ggml_transformers {

namespace {

void relax() {
#if defined(__x86_64__) || defined(_M_X64)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// Some 30 microseconds: longer than the gap between two operations of a graph.
constexpr int spins_before_offering = 1500;
// Then a worker offers its processor to whoever wants it, again and again: longer than the gap between two
// tokens, and than a caller takes who sends one short query after the other. Waking a worker costs these a
// tenth of their time and more. It is all that an idle model spends.
constexpr auto offering_before_parking = std::chrono::microseconds(500);
// An offer that somebody took. On a busy machine it is better to park, since who wakes is served at once.
constexpr auto taken = std::chrono::microseconds(50);
constexpr auto busy_for = std::chrono::milliseconds(50);
// Waiting for a piece somebody else is computing: after this, let the system run them.
constexpr int spins_before_yielding = 2000;

constexpr uint32_t closed = std::numeric_limits<uint32_t>::max();  // an index beyond every count

uint64_t ticket_of(uint32_t round, uint32_t index) { return (static_cast<uint64_t>(round) << 32) | index; }

uint32_t round_of(uint64_t ticket) { return static_cast<uint32_t>(ticket >> 32); }

// The first of `count` pieces in that range; in one beyond the last, `count`.
uint32_t range_begin(size_t range, int64_t count, size_t ranges) {
    return static_cast<uint32_t>(count * static_cast<int64_t>(range) / static_cast<int64_t>(ranges));
}

}  // namespace

ComputePool::ComputePool(int threads) : ranges_(static_cast<size_t>(threads)) {
    for (int thread = 1; thread < threads; ++thread) {
        workers_.emplace_back([this, thread] { serve(thread); });
    }
}

ComputePool::~ComputePool() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
}

void ComputePool::run(int64_t count, Piece piece, void* context) {
    constexpr int64_t most = std::numeric_limits<int32_t>::max();
    if (workers_.empty() || count <= 1 || count > most) {
        for (int64_t index = 0; index < count; ++index) piece(context, index, 0);
        return;
    }
    // Close the old round first: a worker that still holds one of its tickets could otherwise use it with the
    // new round's count. Whoever reads one of the new values below also sees that the old tickets are gone.
    const uint32_t last = round_.load(std::memory_order_relaxed), round = last + 1;
    for (Range& range : ranges_) range.ticket.store(ticket_of(last, closed));
    piece_.store(piece, std::memory_order_release);
    context_.store(context, std::memory_order_release);
    count_.store(static_cast<uint32_t>(count), std::memory_order_release);
    done_.store(0, std::memory_order_relaxed);
    for (size_t i = 0; i < ranges_.size(); ++i)
        ranges_[i].ticket.store(ticket_of(round, range_begin(i, count, ranges_.size())),
                                std::memory_order_release);
    round_.store(round);
    if (parked_.load() > 0) {
        const std::lock_guard lock(mutex_);
        wake_.notify_all();
    }
    work(0, round);
    for (int spins = 0; done_.load(std::memory_order_acquire) != static_cast<uint32_t>(count); ++spins) {
        if (spins < spins_before_yielding) {
            relax();
        } else {
            std::this_thread::yield();
        }
    }
}

// Its own pieces, then those of the threads after it.
void ComputePool::work(int thread, uint32_t round) {
    uint32_t done = 0;
    for (size_t i = 0; i < ranges_.size(); ++i)
        done += work_through((static_cast<size_t>(thread) + i) % ranges_.size(), thread, round);
    if (done > 0) done_.fetch_add(done, std::memory_order_release);
}

// Returns how many pieces it has computed.
uint32_t ComputePool::work_through(size_t range, int thread, uint32_t round) {
    std::atomic<uint64_t>& next = ranges_[range].ticket;
    uint32_t done = 0;
    uint64_t ticket = next.load(std::memory_order_acquire);
    while (round_of(ticket) == round) {
        const uint32_t count = count_.load(std::memory_order_acquire);
        const Piece piece = piece_.load(std::memory_order_acquire);
        void* const context = context_.load(std::memory_order_acquire);
        const auto index = static_cast<uint32_t>(ticket);
        if (index >= range_begin(range + 1, count, ranges_.size())) break;
        if (!next.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel)) continue;
        piece(context, index, thread);
        ++done;
        ticket = next.load(std::memory_order_acquire);
    }
    return done;
}

void ComputePool::serve(int thread) {
    uint32_t last = 0;
    auto busy_until = Clock::now();
    while (wait_for_round(last, busy_until)) {
        last = round_.load(std::memory_order_acquire);
        work(thread, last);
    }
}

// Returns false when the pool ends.
bool ComputePool::wait_for_round(uint32_t last, Clock::time_point& busy_until) {
    const auto changed = [this, last] { return round_.load() != last; };
    const auto ended = [this] { return stopping_.load(std::memory_order_relaxed); };
    for (int spins = 0; spins < spins_before_offering; ++spins) {
        if (changed()) return true;
        if (ended()) return false;
        relax();
    }
    auto now = Clock::now();
    const auto parking = now + offering_before_parking;
    while (now < parking && now >= busy_until) {
        if (changed()) return true;
        if (ended()) return false;
        std::this_thread::yield();
        const auto before = std::exchange(now, Clock::now());
        if (now - before > taken) busy_until = now + busy_for;
    }
    std::unique_lock lock(mutex_);
    ++parked_;
    wake_.wait(lock, [&] { return changed() || stopping_.load(); });
    --parked_;
    return !stopping_.load();
}

}  // namespace ggml_transformers
