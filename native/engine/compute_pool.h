// The threads behind the fused CPU operations of one model. One thread walks the graph; each operation splits
// its work into many small pieces, of which every thread has a range of its own: it takes them in order, so
// that what they read lies in order as well, and then those that others have left. A thread that the system
// has put aside holds up nobody: the others take its pieces.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace ggml_transformers {

class ComputePool {
 public:
    // `threads` counts the caller of `parallel`; at least 1.
    explicit ComputePool(int threads);
    ~ComputePool();
    ComputePool(const ComputePool&) = delete;
    ComputePool& operator=(const ComputePool&) = delete;

    int threads() const { return static_cast<int>(workers_.size()) + 1; }

    // Calls body(index, thread) for every index in [0, count), `thread` in [0, threads()). Returns when all
    // are done. From one thread at a time; `body` must not throw.
    template <class Body>
    void parallel(int64_t count, Body&& body) {
        using Plain = std::remove_reference_t<Body>;
        run(
            count,
            [](void* context, int64_t index, int thread) { (*static_cast<Plain*>(context))(index, thread); },
            const_cast<void*>(static_cast<const void*>(&body)));
    }

 private:
    using Clock = std::chrono::steady_clock;
    using Piece = void (*)(void* context, int64_t index, int thread);

    // The pieces of a thread's range that are left. The round in the upper half, the next index in the lower:
    // taking an index proves that the round's work, read before, is still the current one.
    struct alignas(64) Range {
        std::atomic<uint64_t> ticket{0};
    };

    void run(int64_t count, Piece piece, void* context);
    void work(int thread, uint32_t round);
    uint32_t work_through(size_t range, int thread, uint32_t round);
    void serve(int thread);
    // `busy_until`: the machine has other work until then.
    bool wait_for_round(uint32_t last, Clock::time_point& busy_until);

    std::vector<Range> ranges_;  // [threads]
    // Of the round at hand.
    alignas(64) std::atomic<Piece> piece_{nullptr};
    std::atomic<void*> context_{nullptr};
    std::atomic<uint32_t> count_{0};
    std::atomic<uint32_t> round_{0};
    alignas(64) std::atomic<uint32_t> done_{0};

    alignas(64) std::atomic<int> parked_{0};
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<std::thread> workers_;
};

}  // namespace ggml_transformers
