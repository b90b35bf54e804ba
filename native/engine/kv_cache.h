// Keys and values of one sequence, for every layer.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/device.h"
#include "engine/ggml_ptr.h"

namespace ggml_transformers {

// Attention of plain operations reads a multiple of this many positions, the surplus masked. Vectorized sums
// then have no tail whose order depends on how much of the sequence is there, so that evaluating a prompt at
// once, in pieces, or token by token gives the same bits.
constexpr int64_t kv_padding = 32;

// Caches can only share whole groups of this many positions.
constexpr int64_t kv_group = 16;

// Of a cache. Attention looks at one after the other: many small ones would slow it down.
constexpr size_t kv_most_parts = 16;

// What all caches of a model have in common, but for the type, which a session may choose.
struct KvLayout {
    DeviceMemory memory;
    int64_t layers = 0;
    int64_t hidden = 0;  // H: of all heads of keys, which may be fewer than those of queries
    int64_t head = 0;    // D
    // Which of two layouts: plain operations', or the fused attention's.
    bool fused = false;
    // Or F16; in the fused layout also Q8_0, for what kv_bytes.h says.
    ggml_type type = GGML_TYPE_F32;
    std::shared_ptr<std::atomic<uint64_t>> in_use;  // bytes of all segments alive

    uint64_t bytes_for(int64_t positions) const {
        return static_cast<uint64_t>(2 * layers * positions) * ggml_row_size(type, hidden);
    }
    static int64_t padded(int64_t positions) {
        return (positions + kv_padding - 1) / kv_padding * kv_padding;
    }
};

// Memory for consecutive positions.
class KvSegment {
 public:
    // `positions`: a multiple of the padding. Throws Error(OutOfMemory).
    KvSegment(const KvLayout& layout, int64_t positions);
    ~KvSegment();
    KvSegment(const KvSegment&) = delete;
    KvSegment& operator=(const KvSegment&) = delete;

    // Of plain operations: [H, capacity] and [capacity, H]. Of the fused attention, head by head:
    // [A][capacity / 16][D][16] and [A][capacity][D].
    ggml_tensor* keys(int64_t layer) const { return keys_[static_cast<size_t>(layer)]; }
    ggml_tensor* values(int64_t layer) const { return values_[static_cast<size_t>(layer)]; }
    int64_t capacity() const { return capacity_; }

 private:
    int64_t capacity_;
    uint64_t bytes_;
    std::shared_ptr<std::atomic<uint64_t>> in_use_;
    ContextPtr context_;
    BufferPtr buffer_;
    std::vector<ggml_tensor*> keys_;
    std::vector<ggml_tensor*> values_;
};

// Positions [first, end) of a sequence lie at the beginning of a segment.
struct KvPart {
    std::shared_ptr<KvSegment> segment;
    int64_t first = 0;
    int64_t end = 0;
    int64_t frozen = 0;  // those before this one may be read by others
};

class KvCache {
 public:
    explicit KvCache(KvLayout layout) : layout_(std::move(layout)) {}

    const std::vector<KvPart>& parts() const { return parts_; }
    // The only part there is in the layout of plain operations.
    const KvSegment& plain() const { return *parts_.front().segment; }
    int64_t capacity() const { return parts_.empty() ? 0 : parts_.back().end; }

    // Bytes that reserve() would allocate.
    uint64_t missing_bytes(int64_t positions, int64_t most) const;
    // Makes room for that many positions, of which the first `kept` hold something. What is the
    // cache's own doubles when it grows, as long as all together is no more than `most`. Throws
    // Error(OutOfMemory).
    void reserve(int64_t positions, int64_t kept, int64_t most);
    // Prepares for other content behind the first `positions`. Returns how many of these are left: up to 15
    // of the last may lie in memory that others read, and have to be evaluated again.
    int64_t keep(int64_t positions);
    // Gives back the memory behind the first `positions`, where nobody else uses it.
    void shrink(int64_t positions);
    // A cache that begins with the same positions, without copying them where the layout allows it. `kept`
    // tells how many it has.
    std::unique_ptr<KvCache> fork(int64_t positions, int64_t& kept);

    // The same with all of the positions, and room for one more; those that cannot be shared are copied. What
    // it has of its own doubles up to `most` positions. Throws Error(OutOfMemory).
    std::unique_ptr<KvCache> branch(int64_t positions, int64_t most);

    // Keys and values of whole groups, [L][2][16 n, H], as they are computed. `positions` is a multiple
    // of 16.
    void read(int64_t first, int64_t positions, float* rows) const;
    void write(int64_t first, int64_t positions, const float* rows);

 private:
    void flatten(int64_t positions, int64_t kept);
    void move_into(KvPart part, const std::vector<KvPart>& from, int64_t end);
    int64_t growth(int64_t positions, int64_t most) const;

    KvLayout layout_;
    std::vector<KvPart> parts_;
};

}  // namespace ggml_transformers
