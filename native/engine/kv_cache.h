// Keys and values of one sequence, for every layer.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "engine/device.h"
#include "engine/ggml_ptr.h"

namespace ggml_transformers {

// Attention always reads a multiple of this many positions, the surplus masked. Vectorized sums then have no
// tail whose order depends on how much of the sequence is there, so that evaluating a prompt at once, in
// pieces, or token by token gives the same bits.
constexpr int64_t kv_padding = 32;

class KvCache {
 public:
    // Holds `positions` tokens, rounded up to the padding. `finite`: whether what nobody wrote must be,
    // because masked positions are multiplied by zero. Its bytes count in `in_use` as long as it lives.
    // Throws Error(OutOfMemory).
    KvCache(Device& device, int64_t layers, int64_t hidden, int64_t positions, bool finite,
            std::atomic<uint64_t>& in_use);
    ~KvCache();
    KvCache(const KvCache&) = delete;
    KvCache& operator=(const KvCache&) = delete;

    // In the layout of plain operations; the fused attention has one of its own in the same memory.
    ggml_tensor* keys(int64_t layer) const { return keys_[static_cast<size_t>(layer)]; }      // [H, capacity]
    ggml_tensor* values(int64_t layer) const { return values_[static_cast<size_t>(layer)]; }  // [capacity, H]
    int64_t capacity() const { return capacity_; }
    uint64_t bytes() const { return ggml_backend_buffer_get_size(buffer_.get()); }

    static int64_t padded(int64_t positions) {
        return (positions + kv_padding - 1) / kv_padding * kv_padding;
    }
    static uint64_t bytes_for(int64_t layers, int64_t hidden, int64_t positions) {
        return static_cast<uint64_t>(2 * layers * hidden * padded(positions)) * sizeof(float);
    }

 private:
    int64_t capacity_;
    std::atomic<uint64_t>& in_use_;
    ContextPtr context_;
    BufferPtr buffer_;
    std::vector<ggml_tensor*> keys_;
    std::vector<ggml_tensor*> values_;
};

}  // namespace ggml_transformers
