// Seeded inputs for the checks and measurements of the kernels.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

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

// Random Q8_0 weights [n][k]: what a file holds and how the kernels want it. `scale` and `value` read the
// former.
class Q8Weights {
 public:
    Q8Weights(Random& random, int64_t k, int64_t n)
        : rows_(static_cast<size_t>(n * k / 32 * 34)),
          panels_((n + 31) / 32 * (k / 32) * PackedQ8::block_bytes) {
        for (int64_t block = 0; block < n * k / 32; ++block) {
            uint8_t* at = rows_.data() + block * 34;
            // Halves between 2^-10 and 2^-5, of either sign.
            const auto half = static_cast<uint16_t>((5 << 10) + random.whole(0, (5 << 10) - 1) +
                                                    (random.whole(0, 1) << 15));
            std::memcpy(at, &half, 2);
            for (int i = 0; i < 32; ++i) at[2 + i] = static_cast<uint8_t>(random.whole(-128, 127));
        }
        packed.k = k;
        packed.n = n;
        pack_q8_0(rows_.data(), k, n, 0, packed.panels(), panels_.data());
        packed.data = panels_.data();
    }

    double scale(int64_t row, int64_t block) const {
        uint16_t half;
        std::memcpy(&half, at(row, block), 2);
        const double size = std::ldexp(1024 + (half & 0x3ff), ((half >> 10) & 31) - 25);
        return half >> 15 ? -size : size;
    }
    int value(int64_t row, int64_t k) const { return static_cast<int8_t>(at(row, k / 32)[2 + k % 32]); }

    const void* rows() const { return rows_.data(); }

    PackedQ8 packed;

 private:
    const uint8_t* at(int64_t row, int64_t block) const {
        return rows_.data() + (row * (packed.k / 32) + block) * 34;
    }

    std::vector<uint8_t> rows_;
    Aligned<uint8_t> panels_;
};

// Random activations [t][k] and their 8-bit form, made by the scalar reference.
class Activations {
 public:
    Activations(Random& random, int64_t t, int64_t k)
        : values(random.normals(t * k)),
          bytes_(static_cast<size_t>(t * k)),
          scales_(static_cast<size_t>(t * k / 32)),
          sums_(static_cast<size_t>(t * k / 32)) {
        for (int64_t row = 0; row < t && k % 32 == 0; ++row)
            find_kernels("scalar")->quantize_row(values.data() + row * k, k, bytes_.data() + row * k,
                                                 scales_.data() + row * (k / 32),
                                                 sums_.data() + row * (k / 32));
        quantized = {bytes_.data(), scales_.data(), sums_.data()};
    }

    std::vector<float> values;
    QuantizedRows quantized;

 private:
    std::vector<int8_t> bytes_;
    std::vector<float> scales_;
    std::vector<int32_t> sums_;
};

// Random F32 weights [n][k].
class F32Weights {
 public:
    F32Weights(Random& random, int64_t k, int64_t n)
        : rows(random.normals(n * k)), panels_((n + 31) / 32 * 32 * k) {
        packed.k = k;
        packed.n = n;
        pack_f32(rows.data(), k, k, n, 0, packed.panels(), panels_.data());
        packed.data = panels_.data();
    }

    std::vector<float> rows;
    PackedF32 packed;

 private:
    Aligned<float> panels_;
};

// Random queries, and keys and values of one sequence, for a head of `head` values.
struct AttentionInputs {
    AttentionInputs(Random& random, int64_t head, int64_t rows, int64_t positions)
        : q(random.normals(rows * head, 2.0f)),
          keys(random.normals(positions * head)),
          v(random.normals(positions * head)),
          packed((positions + 15) / 16 * 16 * head),
          scratch(attention_scratch(positions)) {
        for (int64_t i = 0; i < positions; ++i)
            for (int64_t d = 0; d < head; ++d)
                packed.data()[(i / 16 * head + d) * 16 + i % 16] = keys[static_cast<size_t>(i * head + d)];
    }

    std::vector<float> q;     // [rows][head]
    std::vector<float> keys;  // [positions][head]
    std::vector<float> v;     // [positions][head]
    Aligned<float> packed;
    Aligned<float> scratch;
};

}  // namespace kernel_check
