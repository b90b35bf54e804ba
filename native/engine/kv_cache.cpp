#include "engine/kv_cache.h"

#include <algorithm>
#include <string>
#include <utility>

#include "engine/error.h"
#include "engine/huge_pages.h"
#include "engine/kv_bytes.h"

namespace ggml_transformers {

namespace {

int64_t whole_groups(int64_t positions) { return positions / kv_group * kv_group; }

// Whether other caches read from the part's segment.
bool shared(const KvPart& part) {
    if (part.segment.use_count() > 1) return true;
    // use_count() alone does not wait for what the last of the others did; letting go of a copy does.
    std::shared_ptr<KvSegment>(part.segment).reset();
    return false;
}

void exchange(float& row, float& cached, bool reading) { (reading ? row : cached) = reading ? cached : row; }

void exchange(float& row, ggml_fp16_t& cached, bool reading) {
    if (reading) {
        row = ggml_fp16_to_fp32(cached);
    } else {
        cached = ggml_fp32_to_fp16(row);
    }
}

// Positions [at, at + count) of a layer, in the layout of plain operations, of values of type T. The device's
// memory is copied in two pieces: each copy waits for a GPU.
template <class T>
void transfer_plain(const KvSegment& segment, int64_t layer, int64_t at, int64_t count, float* keys,
                    float* values, bool reading) {
    ggml_tensor *const k = segment.keys(layer), *const v = segment.values(layer);
    const int64_t hidden = k->ne[0];
    std::vector<T> cached(static_cast<size_t>(2 * count * hidden));
    T *const by_position = cached.data(), *const by_column = cached.data() + count * hidden;
    const auto bytes = [](int64_t n) { return static_cast<size_t>(n) * sizeof(T); };
    const auto exchange_all = [&] {
        for (int64_t i = 0; i < count; ++i) {
            for (int64_t h = 0; h < hidden; ++h) {
                exchange(keys[i * hidden + h], by_position[i * hidden + h], reading);
                exchange(values[i * hidden + h], by_column[h * count + i], reading);
            }
        }
    };
    const auto columns = static_cast<size_t>(hidden);
    if (reading) {
        ggml_backend_tensor_get(k, by_position, bytes(at * hidden), bytes(count * hidden));
        ggml_backend_tensor_get_2d(v, by_column, bytes(at), bytes(count), columns, v->nb[1], bytes(count));
        exchange_all();
    } else {
        exchange_all();
        ggml_backend_tensor_set(k, by_position, bytes(at * hidden), bytes(count * hidden));
        ggml_backend_tensor_set_2d(v, by_column, bytes(at), bytes(count), columns, v->nb[1], bytes(count));
    }
}

// One group of positions in the layout of the fused attention, of values of type T.
template <class T>
void transfer_fused(const KvSegment& segment, int64_t layer, int64_t head, int64_t at, float* keys,
                    float* values, bool reading) {
    auto* const k = static_cast<T*>(segment.keys(layer)->data);
    auto* const v = static_cast<T*>(segment.values(layer)->data);
    const int64_t hidden = segment.keys(layer)->ne[0];
    const auto transfer = [reading](float& row, T& cached) { exchange(row, cached, reading); };
    for (int64_t column = 0; column < hidden; column += head) {
        const int64_t begin = (segment.capacity() * column) + at * head;
        for (int64_t i = 0; i < kv_group; ++i) {
            for (int64_t d = 0; d < head; ++d) {
                const int64_t row = i * hidden + column + d;
                transfer(keys[row], k[begin + d * kv_group + i]);
                transfer(values[row], v[begin + i * head + d]);
            }
        }
    }
}

// The same for bytes.
void transfer_bytes(const KvSegment& segment, int64_t layer, int64_t head, int64_t at, float* keys,
                    float* values, bool reading) {
    const int64_t hidden = segment.keys(layer)->ne[0], groups = segment.capacity() / kv_group;
    for (int64_t column = 0; column < hidden; column += head) {
        const int64_t begin = (groups * (column / head) + at / kv_group) * kv_group_bytes(head);
        for (const bool is_key : {true, false}) {
            const ggml_tensor* tensor = is_key ? segment.keys(layer) : segment.values(layer);
            const KvByteGroup group(static_cast<uint8_t*>(tensor->data) + begin, head, is_key);
            for (int64_t i = 0; i < kv_group; ++i) {
                float* row = (is_key ? keys : values) + i * hidden + column;
                if (reading) {
                    group.read(i, row);
                } else {
                    group.write(i, row);
                }
            }
        }
    }
}

// Rows [L][2][positions, H] of positions [first, first + positions).
void transfer(const KvLayout& layout, const std::vector<KvPart>& parts, int64_t first, int64_t positions,
              float* rows, bool reading) {
    const int64_t plane = positions * layout.hidden;
    for (const KvPart& part : parts) {
        const int64_t begin = std::max(first, part.first), end = std::min(first + positions, part.end);
        for (int64_t layer = 0; !layout.fused && begin < end && layer < layout.layers; ++layer) {
            float* keys = rows + 2 * layer * plane + (begin - first) * layout.hidden;
            const auto transfer_type =
                layout.type == GGML_TYPE_F16 ? transfer_plain<ggml_fp16_t> : transfer_plain<float>;
            transfer_type(*part.segment, layer, begin - part.first, end - begin, keys, keys + plane, reading);
        }
        for (int64_t position = begin; layout.fused && position < end; position += kv_group) {
            for (int64_t layer = 0; layer < layout.layers; ++layer) {
                float* keys = rows + 2 * layer * plane + (position - first) * layout.hidden;
                const int64_t at = position - part.first;
                if (layout.type == GGML_TYPE_F16) {
                    transfer_fused<ggml_fp16_t>(*part.segment, layer, layout.head, at, keys, keys + plane,
                                                reading);
                } else if (layout.type == GGML_TYPE_Q8_0) {
                    transfer_bytes(*part.segment, layer, layout.head, at, keys, keys + plane, reading);
                } else {
                    transfer_fused<float>(*part.segment, layer, layout.head, at, keys, keys + plane, reading);
                }
            }
        }
    }
}

}  // namespace

KvSegment::KvSegment(const KvLayout& layout, int64_t positions)
    : capacity_(positions), bytes_(layout.bytes_for(positions)), in_use_(layout.in_use) {
    ggml_init_params parameters{};
    parameters.mem_size = static_cast<size_t>(2 * layout.layers + 1) * ggml_tensor_overhead();
    parameters.no_alloc = true;
    context_.reset(ggml_init(parameters));
    if (!context_) throw Error(ErrorCode::OutOfMemory, "The KV cache's tensors cannot be allocated");
    for (int64_t layer = 0; layer < layout.layers; ++layer) {
        keys_.push_back(ggml_new_tensor_2d(context_.get(), layout.type, layout.hidden, capacity_));
        values_.push_back(ggml_new_tensor_2d(context_.get(), layout.type, capacity_, layout.hidden));
    }
    buffer_.reset(ggml_backend_alloc_ctx_tensors_from_buft(context_.get(), layout.memory.type()));
    if (!buffer_) {
        throw Error(ErrorCode::OutOfMemory,
                    "The device cannot hold a KV cache of " + std::to_string(bytes_) + " bytes")
            .with("required", static_cast<double>(bytes_));
    }
    if (ggml_backend_buffer_is_host(buffer_.get()))
        prefer_huge_pages(ggml_backend_buffer_get_base(buffer_.get()),
                          ggml_backend_buffer_get_size(buffer_.get()));
    // Plain operations multiply masked positions by zero: they must be finite.
    if (!layout.fused) ggml_backend_buffer_clear(buffer_.get(), 0);
    *in_use_ += bytes_;
}

KvSegment::~KvSegment() {
    if (buffer_) *in_use_ -= bytes_;
}

// What a cache grows to that has to hold `positions`: what is its own doubles.
int64_t KvCache::growth(int64_t positions, int64_t most) const {
    int64_t frozen = 0;
    for (const KvPart& part : parts_) frozen = std::max(frozen, part.frozen);
    const int64_t doubled = std::min(2 * capacity() - frozen, most);
    return KvLayout::padded(std::max(positions, doubled));
}

uint64_t KvCache::missing_bytes(int64_t positions, int64_t most) const {
    if (positions <= capacity()) return 0;
    const int64_t kept = layout_.fused && parts_.size() < kv_most_parts ? capacity() : 0;
    return layout_.bytes_for(KvLayout::padded(growth(positions, most) - kept));
}

void KvCache::reserve(int64_t positions, int64_t kept, int64_t most) {
    if (positions <= capacity()) return;
    const int64_t wanted = growth(positions, most);
    if (!parts_.empty() && (!layout_.fused || parts_.size() >= kv_most_parts)) return flatten(wanted, kept);
    const int64_t first = capacity();
    const int64_t more = KvLayout::padded(wanted - first);
    parts_.push_back({std::make_shared<KvSegment>(layout_, more), first, first + more, 0});
}

// Moves all positions into one segment.
void KvCache::flatten(int64_t positions, int64_t kept) {
    KvPart whole = {std::make_shared<KvSegment>(layout_, positions), 0, positions, 0};
    move_into(std::move(whole), std::exchange(parts_, std::vector<KvPart>()), kept);
}

// Adds a part, with the positions before `end` of those that `from` has.
void KvCache::move_into(KvPart part, const std::vector<KvPart>& from, int64_t end) {
    const std::vector<KvPart> to = {part};
    // Copies to and from a GPU take turns that few long ones save; in the fused layout it is all the same.
    const int64_t most = layout_.fused ? kv_group : 16 * kv_group;
    std::vector<float> rows(static_cast<size_t>(2 * layout_.layers * most * layout_.hidden));
    for (int64_t first = part.first; first < end; first += most) {
        const int64_t count = std::min(most, (end - first + kv_group - 1) / kv_group * kv_group);
        transfer(layout_, from, first, count, rows.data(), true);
        transfer(layout_, to, first, count, rows.data(), false);
    }
    parts_.push_back(std::move(part));
}

int64_t KvCache::keep(int64_t positions) {
    while (!parts_.empty() && parts_.back().first >= positions) parts_.pop_back();
    if (parts_.empty()) return 0;
    KvPart& part = parts_.back();
    if (!shared(part)) part.frozen = part.first;
    if (positions >= part.frozen) return std::min(positions, part.end);
    part.end = whole_groups(positions);
    const int64_t kept = part.end;
    if (part.end == part.first) parts_.pop_back();
    return kept;
}

void KvCache::shrink(int64_t positions) {
    while (!parts_.empty() && parts_.back().first >= positions) parts_.pop_back();
    if (parts_.empty() || shared(parts_.back())) return;
    const KvPart old = parts_.back();
    const int64_t left = KvLayout::padded(positions - old.first);
    if (left >= old.segment->capacity()) return;
    KvPart smaller = {std::make_shared<KvSegment>(layout_, left), old.first, old.first + left, 0};
    parts_.pop_back();
    move_into(std::move(smaller), {old}, positions);
}

std::unique_ptr<KvCache> KvCache::fork(int64_t positions, int64_t& kept) {
    auto copy = std::make_unique<KvCache>(layout_);
    if (!layout_.fused || parts_.size() >= kv_most_parts) {
        kept = positions;
        if (positions == 0) return copy;
        copy->parts_ = parts_;
        copy->flatten(KvLayout::padded(positions), positions);
        return copy;
    }
    kept = whole_groups(positions);
    for (KvPart& part : parts_) {
        if (part.first >= kept) break;
        const int64_t end = std::min(part.end, kept);
        part.frozen = std::max(part.frozen, end);
        copy->parts_.push_back({part.segment, part.first, end, end});
    }
    return copy;
}

std::unique_ptr<KvCache> KvCache::branch(int64_t positions, int64_t most) {
    int64_t kept = 0;
    std::unique_ptr<KvCache> copy = fork(positions, kept);
    copy->reserve(positions + 1, kept, most);
    if (kept == positions) return copy;
    std::vector<float> rows(static_cast<size_t>(2 * layout_.layers * kv_group * layout_.hidden));
    read(kept, kv_group, rows.data());
    copy->write(kept, kv_group, rows.data());
    return copy;
}

void KvCache::read(int64_t first, int64_t positions, float* rows) const {
    transfer(layout_, parts_, first, positions, rows, true);
}

void KvCache::write(int64_t first, int64_t positions, const float* rows) {
    transfer(layout_, parts_, first, positions, const_cast<float*>(rows), false);
}

}  // namespace ggml_transformers
