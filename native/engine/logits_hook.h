// Logits on their way through a function of the caller's, which may change them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace ggml_transformers {

// One side has the logits at a time: the engine's thread until offer(), then the caller until give_back().
class LogitsHook {
 public:
    // `call` is called on the engine's thread, and has the caller told that the logits are there.
    explicit LogitsHook(std::function<void()> call) : call_(std::move(call)) {}

    // On the engine's thread.
    void offer(const float* logits, int64_t vocabulary) {
        logits_.assign(logits, logits + vocabulary);
        returned_.store(false, std::memory_order_relaxed);
        call_();
    }
    bool returned() const { return returned_.load(std::memory_order_acquire); }

    // The caller, who wakes the engine after give_back().
    void give_back() { returned_.store(true, std::memory_order_release); }

    std::vector<float>& logits() { return logits_; }

 private:
    std::function<void()> call_;
    std::vector<float> logits_;  // [V]
    std::atomic<bool> returned_{true};
};

}  // namespace ggml_transformers
