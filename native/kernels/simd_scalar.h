// Sixteen floats as plain C++: what the vector wrappers of the other instruction sets must do, lane by lane.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

namespace ggml_transformers::scalar {

// A vector of 16 floats. Every operation rounds each lane once, to nearest even, in every instruction set.
struct F32x16 {
    static constexpr int groups = 1;   // score groups of a full row tile that fit the registers
    static constexpr int vectors = 4;  // output vectors of a full row tile that fit the registers

    float lane[16];

    static F32x16 zero() { return set(0.0f); }
    static F32x16 set(float x) {
        return map([x](int) { return x; });
    }
    static F32x16 load(const float* p) {
        return map([p](int i) { return p[i]; });
    }
    // The first `n` values; zero in the other lanes.
    static F32x16 load_first(const float* p, int64_t n) {
        return map([p, n](int i) { return i < n ? p[i] : 0.0f; });
    }
    void store(float* p) const { memcpy(p, lane, sizeof(lane)); }
    void store_first(float* p, int64_t n) const {
        for (int i = 0; i < n; ++i) p[i] = lane[i];
    }

    template <class Lane>
    static F32x16 map(Lane f) {
        F32x16 r;
        for (int i = 0; i < 16; ++i) r.lane[i] = f(i);
        return r;
    }
};

inline F32x16 add(F32x16 a, F32x16 b) {
    return F32x16::map([&](int i) { return a.lane[i] + b.lane[i]; });
}
inline F32x16 sub(F32x16 a, F32x16 b) {
    return F32x16::map([&](int i) { return a.lane[i] - b.lane[i]; });
}
inline F32x16 mul(F32x16 a, F32x16 b) {
    return F32x16::map([&](int i) { return a.lane[i] * b.lane[i]; });
}
inline F32x16 div(F32x16 a, F32x16 b) {
    return F32x16::map([&](int i) { return a.lane[i] / b.lane[i]; });
}
// a * b + c, rounded once.
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
    return F32x16::map([&](int i) { return fmaf(a.lane[i], b.lane[i], c.lane[i]); });
}
// c - a * b, rounded once.
inline F32x16 fnma(F32x16 a, F32x16 b, F32x16 c) {
    return F32x16::map([&](int i) { return fmaf(-a.lane[i], b.lane[i], c.lane[i]); });
}
// The second operand where either is not a number, as the processors' instructions have it.
inline F32x16 max(F32x16 a, F32x16 b) {
    return F32x16::map([&](int i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
}
inline F32x16 min(F32x16 a, F32x16 b) {
    return F32x16::map([&](int i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; });
}
inline F32x16 abs(F32x16 a) {
    return F32x16::map([&](int i) { return fabsf(a.lane[i]); });
}
// To the nearest whole number, ties to even.
inline F32x16 round(F32x16 a) {
    return F32x16::map([&](int i) { return nearbyintf(a.lane[i]); });
}
// The sign of `from` on the magnitude of `a`.
inline F32x16 copy_sign(F32x16 a, F32x16 from) {
    return F32x16::map([&](int i) { return copysignf(a.lane[i], from.lane[i]); });
}
// a < b ? yes : no
inline F32x16 select_less(F32x16 a, F32x16 b, F32x16 yes, F32x16 no) {
    return F32x16::map([&](int i) { return a.lane[i] < b.lane[i] ? yes.lane[i] : no.lane[i]; });
}
// `a` in the first n lanes, `other` in the rest.
inline F32x16 keep_first(F32x16 a, int64_t n, F32x16 other) {
    return F32x16::map([&](int i) { return i < n ? a.lane[i] : other.lane[i]; });
}
// a * 2^n for whole n in [-250, 250], rounded once; a is in [0.5, 2]. Not a number if both are not.
inline F32x16 scale_by_power(F32x16 a, F32x16 n) {
    return F32x16::map(
        [&](int i) { return isnan(n.lane[i]) ? a.lane[i] : ldexpf(a.lane[i], static_cast<int>(n.lane[i])); });
}

// The sum in a fixed order: halves, quarters, eighths, pairs.
inline float reduce_add(F32x16 a) {
    for (int width = 8; width >= 1; width /= 2)
        for (int i = 0; i < width; ++i) a.lane[i] += a.lane[i + width];
    return a.lane[0];
}
inline float reduce_max(F32x16 a) {
    for (int width = 8; width >= 1; width /= 2)
        for (int i = 0; i < width; ++i)
            a.lane[i] = a.lane[i] > a.lane[i + width] ? a.lane[i] : a.lane[i + width];
    return a.lane[0];
}

// Sums of a block's whole numbers: of the first 16 in some lanes, of the last 16 in others.
struct BlockSums {
    int32_t first;
    int32_t last;
};

// The larger magnitude of each lane, in the order of the bits: infinity beyond any number, NaN beyond
// infinity.
inline F32x16 larger_magnitude(F32x16 a, F32x16 b) {
    return F32x16::map([&](int i) {
        uint32_t x, y;
        memcpy(&x, &a.lane[i], sizeof(x));
        memcpy(&y, &b.lane[i], sizeof(y));
        x &= 0x7fffffffu;
        y &= 0x7fffffffu;
        if (x < y) x = y;
        float larger;
        memcpy(&larger, &x, sizeof(larger));
        return larger;
    });
}
// The largest lane of each of four vectors of magnitudes, in the order of the bits.
inline void reduce_magnitudes(const F32x16 (&magnitudes)[4], float* out) {
    for (int block = 0; block < 4; ++block) {
        F32x16 v = magnitudes[block];
        for (int i = 1; i < 16; ++i) {
            F32x16 other = v;
            other.lane[0] = v.lane[i];
            v.lane[0] = larger_magnitude(v, other).lane[0];
        }
        out[block] = v.lane[0];
    }
}
// Rounds 32 values in [-127.5, 127.5] to the nearest whole numbers, ties to even, and stores them as bytes.
inline BlockSums store_bytes(F32x16 a, F32x16 b, int8_t* out) {
    BlockSums sums = {0, 0};
    for (int i = 0; i < 16; ++i) {
        out[i] = static_cast<int8_t>(nearbyintf(a.lane[i]));
        out[16 + i] = static_cast<int8_t>(nearbyintf(b.lane[i]));
        sums.first += out[i];
        sums.last += out[16 + i];
    }
    return sums;
}
// -128 times the sums of four blocks: of their first 16 values, and of all 32.
inline void reduce_sums(const BlockSums (&sums)[4], int32_t* first, int32_t* all) {
    for (int block = 0; block < 4; ++block) {
        first[block] = -128 * sums[block].first;
        all[block] = -128 * (sums[block].first + sums[block].last);
    }
}
// Rounds 32 values in [-8191.5, 8191.5] likewise, to words.
inline void store_words(F32x16 a, F32x16 b, int16_t* out) {
    for (int i = 0; i < 16; ++i) {
        out[i] = static_cast<int16_t>(nearbyintf(a.lane[i]));
        out[16 + i] = static_cast<int16_t>(nearbyintf(b.lane[i]));
    }
}

}  // namespace ggml_transformers::scalar
