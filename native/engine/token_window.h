// How far a request may be ahead of whoever reads its tokens.
#pragma once

#include <atomic>
#include <cstdint>

namespace ggml_transformers {

// The engine's thread hands tokens over, another one tells that they were read. One request at a time has it.
class TokenWindow {
 public:
    // At most `size` tokens are unread.
    explicit TokenWindow(int64_t size) : size_(size) {}

    // Tokens that may be handed over. Only a hand_over() makes it less.
    int64_t room() const {
        return size_ + read_.load(std::memory_order_acquire) - handed_over_.load(std::memory_order_relaxed);
    }
    void hand_over() { handed_over_.fetch_add(1, std::memory_order_relaxed); }
    // Whoever reads wakes the engine after it.
    void read(int64_t count) { read_.fetch_add(count, std::memory_order_release); }

 private:
    const int64_t size_;
    std::atomic<int64_t> read_{0};
    std::atomic<int64_t> handed_over_{0};
};

}  // namespace ggml_transformers
