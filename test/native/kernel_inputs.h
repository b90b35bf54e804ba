// Seeded inputs for the checks and measurements of the kernels.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <limits>
#include <vector>

#include "file_blocks.h"
#include "kernels/kernels.h"
#include "kernels/pack.h"

namespace kernel_check {

using namespace ggml_transformers;

// A reproducible stream of numbers (SplitMix64).
class Random {
 public:
    explicit Random(uint64_t seed) : state_(seed) {}

    uint64_t next() {
        state_ += 0x9e3779b97f4a7c15u;
        uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    // A whole number in [low, high].
    int64_t whole(int64_t low, int64_t high) {
        return low + static_cast<int64_t>(next() % static_cast<uint64_t>(high - low + 1));
    }
    double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }
    float normal() {
        const double radius = std::sqrt(-2.0 * std::log(1.0 - unit()));
        return static_cast<float>(radius * std::cos(6.283185307179586 * unit()));
    }
    std::vector<float> normals(int64_t n, float scale = 1.0f) {
        std::vector<float> values(static_cast<size_t>(n));
        for (float& value : values) value = scale * normal();
        return values;
    }

 private:
    uint64_t state_;
};

// Memory that begins at a 64-byte boundary, zero at first.
template <class T>
class Aligned {
 public:
    explicit Aligned(int64_t n) : storage_(static_cast<size_t>(n) * sizeof(T) + 64) {
        const auto address = reinterpret_cast<uintptr_t>(storage_.data());
        data_ = reinterpret_cast<T*>((address + 63) / 64 * 64);
    }
    explicit Aligned(const std::vector<T>& values) : Aligned(static_cast<int64_t>(values.size())) {
        for (size_t i = 0; i < values.size(); ++i) data_[i] = values[i];
    }
    Aligned(const Aligned&) = delete;
    Aligned& operator=(const Aligned&) = delete;

    T* data() { return data_; }
    const T* data() const { return data_; }

 private:
    std::vector<uint8_t> storage_;
    T* data_;
};

// Random weights [n][k] of one format: as a file holds them, and packed.
class Weights {
 public:
    Weights(Random& random, Format format, int64_t k, int64_t n, bool second = false)
        : second_(second),
          block_(file_block(format, second)),
          rows_(static_cast<size_t>(n * k / block_.k * block_.bytes)),
          panels_((n + 31) / 32 * (k / info(format).unit_k) * info(format).unit_bytes) {
        for (int64_t at = 0; at < static_cast<int64_t>(rows_.size()); at += block_.bytes)
            fill_block(random, format, rows_.data() + at);
        packed = {format, k, n, panels_.data()};
        pack(packed, 0, packed.panels());
    }

    void pack(const PackedWeights& out, int64_t panel_begin, int64_t panel_end) const {
        constexpr Pack packs[] = {pack_q8_0, pack_q4_0, pack_q4_k, pack_q6_k, pack_f16, pack_f32};
        static_assert(std::size(packs) == format_count);
        Pack convert = packs[static_cast<int>(packed.format)];
        if (second_ && packed.format == Format::Q8_0) convert = pack_q5_0;
        if (second_ && packed.format == Format::Q16) convert = pack_bf16;
        convert(rows_.data(), out, panel_begin, panel_end);
    }

    // What the kernels multiply with: the file's value, but for Q16, which rounds it.
    double value(int64_t row, int64_t k) const {
        if (packed.format != Format::Q16) return file_value(row, k);
        const UnitQ16& unit = packed.panel<UnitQ16>(row / 32)[k / 32];
        return static_cast<double>(unit.scales[row % 32]) * unit.values[k % 32 / 2][row % 32][k % 2];
    }
    double file_value(int64_t row, int64_t k) const {
        const uint8_t* block = rows_.data() + (row * (packed.k / block_.k) + k / block_.k) * block_.bytes;
        return block_value(packed.format, second_, block, static_cast<int>(k % block_.k));
    }

    PackedWeights packed;

 private:
    void fill_block(Random& random, Format format, uint8_t* at) const {
        if (format == Format::F32) {
            const float value = random.normal();
            std::memcpy(at, &value, sizeof(value));
            return;
        }
        for (int64_t i = 0; i < block_.bytes; ++i) at[i] = static_cast<uint8_t>(random.whole(0, 255));
        // Halves between 2^-10 and 2^-5, of either sign; the same bits are brain floats between 2^-86 and
        // 2^-45.
        for (int64_t i = 0; i < block_.halves; ++i) {
            const auto half = static_cast<uint16_t>((5 << 10) + random.whole(0, (5 << 10) - 1) +
                                                    (random.whole(0, 1) << 15));
            std::memcpy(at + block_.halves_at + i * 2, &half, 2);
        }
    }

    bool second_;
    FileBlock block_;
    std::vector<uint8_t> rows_;
    Aligned<uint8_t> panels_;
};

// Random activations [t][k] in all forms, the whole numbers made by the scalar reference.
class Activations {
 public:
    Activations(Random& random, int64_t t, int64_t k, int64_t stride)
        : values(random.normals(t * stride)),
          bytes_(static_cast<size_t>(t * k)),
          words_(static_cast<size_t>(t * k)),
          blocks_(static_cast<size_t>(t * k / 32)),
          word_scales_(blocks_.size()),
          stride_(stride) {
        const Kernels& scalar = *find_kernels("scalar");
        for (int64_t row = 0; row < t && k % 32 == 0; ++row) {
            const int64_t block = row * (k / 32);
            const float* x = values.data() + row * stride;
            scalar.quantize_row(x, k, {bytes_.data() + row * k, blocks_.data() + block});
            scalar.quantize_row_words(x, k, {words_.data() + row * k, word_scales_.data() + block});
        }
    }

    Rows rows(RowForm form) const {
        Rows r;
        if (form == RowForm::Floats) {
            r.x = values.data();
            r.x_stride = stride_;
        } else if (form == RowForm::Words) {
            r.words = words_.data();
            r.scales = word_scales_.data();
        } else {
            r.bytes = bytes_.data();
            r.blocks = blocks_.data();
        }
        return r;
    }

    std::vector<float> values;  // [t] rows, `stride` apart

 private:
    std::vector<int8_t> bytes_;
    std::vector<int16_t> words_;
    std::vector<ByteBlock> blocks_;
    std::vector<float> word_scales_;
    int64_t stride_;
};

// The value a kernel sees at position k of a row.
inline double activation_value(const Rows& rows, int64_t row, int64_t k, int64_t columns) {
    if (rows.x) return rows.x[row * rows.x_stride + k];
    const int64_t at = row * columns + k;
    if (rows.bytes) return static_cast<double>(rows.blocks[at / 32].scale) * rows.bytes[at];
    return static_cast<double>(rows.scales[at / 32]) * rows.words[at];
}

// Random queries, and keys and values of one sequence, for a head of `head` values.
struct AttentionInputs {
    AttentionInputs(Random& random, int64_t head_size, int64_t rows, int64_t positions)
        : head(head_size),
          q(random.normals(rows * head, 2.0f)),
          keys(random.normals(positions * head)),
          v(random.normals(positions * head)),
          biases(random.normals(2 * farthest + 1)),
          packed((positions + 15) / 16 * 16 * head),
          scratch(attention_scratch(positions)) {
        // Behind the last position memory may hold anything.
        for (int64_t i = 0; i < static_cast<int64_t>((positions + 15) / 16 * 16 * head); ++i)
            packed.data()[i] = std::numeric_limits<float>::quiet_NaN();
        for (int64_t i = 0; i < positions; ++i)
            for (int64_t d = 0; d < head; ++d)
                packed.data()[(i / 16 * head + d) * 16 + i % 16] = keys[static_cast<size_t>(i * head + d)];
    }

    // The sequence in the pieces that the multiples of 16 in `cuts` leave.
    std::vector<KeyValues> parts(const std::vector<int64_t>& cuts) {
        const auto positions = static_cast<int64_t>(v.size()) / head;
        std::vector<KeyValues> all;
        int64_t first = 0;
        for (size_t i = 0; i <= cuts.size(); ++i) {
            const int64_t end = i < cuts.size() ? cuts[i] : positions;
            all.push_back({packed.data() + first * head, v.data() + first * head, end - first});
            first = end;
        }
        return all;
    }

    // Of distance 0; those of others stand before and behind it.
    const float* distance_bias() const { return biases.data() + farthest; }

    static constexpr int64_t farthest = 640;
    int64_t head;
    std::vector<float> q;     // [rows][head]
    std::vector<float> keys;  // [positions][head]
    std::vector<float> v;     // [positions][head]
    std::vector<float> biases;
    Aligned<float> packed;
    Aligned<float> scratch;
};

}  // namespace kernel_check
