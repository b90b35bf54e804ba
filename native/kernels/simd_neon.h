// Sixteen floats in four NEON registers. Only for files compiled with the dot product extension.
#pragma once

#include <arm_neon.h>
#include <stdint.h>

namespace ggml_transformers::neon {

struct F32x16 {
    static constexpr int groups = 1;
    static constexpr int vectors = 1;

    float32x4_t part[4];

    static F32x16 zero() { return set(0.0f); }
    static F32x16 set(float x) {
        return map([x](int) { return vdupq_n_f32(x); });
    }
    static F32x16 load(const float* p) {
        return map([p](int i) { return vld1q_f32(p + i * 4); });
    }
    static F32x16 load_first(const float* p, int64_t n) {
        float lanes[16] = {};
        for (int64_t i = 0; i < n; ++i) lanes[i] = p[i];
        return load(lanes);
    }
    void store(float* p) const {
        vst1q_f32(p, part[0]);
        vst1q_f32(p + 4, part[1]);
        vst1q_f32(p + 8, part[2]);
        vst1q_f32(p + 12, part[3]);
    }
    void store_first(float* p, int64_t n) const {
        float lanes[16];
        store(lanes);
        for (int64_t i = 0; i < n; ++i) p[i] = lanes[i];
    }

    template <class Part>
    static F32x16 map(Part f) {
        return {{f(0), f(1), f(2), f(3)}};
    }
};

inline F32x16 add(F32x16 a, F32x16 b) {
    return F32x16::map([&](int i) { return vaddq_f32(a.part[i], b.part[i]); });
}
inline F32x16 sub(F32x16 a, F32x16 b) {
    return F32x16::map([&](int i) { return vsubq_f32(a.part[i], b.part[i]); });
}
inline F32x16 mul(F32x16 a, F32x16 b) {
    return F32x16::map([&](int i) { return vmulq_f32(a.part[i], b.part[i]); });
}
inline F32x16 div(F32x16 a, F32x16 b) {
    return F32x16::map([&](int i) { return vdivq_f32(a.part[i], b.part[i]); });
}
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
    return F32x16::map([&](int i) { return vfmaq_f32(c.part[i], a.part[i], b.part[i]); });
}
inline F32x16 fnma(F32x16 a, F32x16 b, F32x16 c) {
    return F32x16::map([&](int i) { return vfmsq_f32(c.part[i], a.part[i], b.part[i]); });
}

// NEON's own maximum and minimum are another's: of NaN and of zeros they do not take the second operand.
inline float32x4_t max(float32x4_t a, float32x4_t b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
inline float32x4_t min(float32x4_t a, float32x4_t b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
inline F32x16 max(F32x16 a, F32x16 b) {
    return F32x16::map([&](int i) { return max(a.part[i], b.part[i]); });
}
inline F32x16 min(F32x16 a, F32x16 b) {
    return F32x16::map([&](int i) { return min(a.part[i], b.part[i]); });
}

inline F32x16 abs(F32x16 a) {
    return F32x16::map([&](int i) { return vabsq_f32(a.part[i]); });
}
inline F32x16 round(F32x16 a) {
    return F32x16::map([&](int i) { return vrndnq_f32(a.part[i]); });
}
inline F32x16 copy_sign(F32x16 a, F32x16 from) {
    const uint32x4_t sign = vdupq_n_u32(0x80000000u);
    return F32x16::map([&](int i) { return vbslq_f32(sign, from.part[i], a.part[i]); });
}
inline F32x16 select_less(F32x16 a, F32x16 b, F32x16 yes, F32x16 no) {
    return F32x16::map(
        [&](int i) { return vbslq_f32(vcltq_f32(a.part[i], b.part[i]), yes.part[i], no.part[i]); });
}
inline F32x16 keep_first(F32x16 a, int64_t n, F32x16 other) {
    constexpr int32_t indices[4] = {0, 1, 2, 3};
    const int32x4_t count = vdupq_n_s32(n >= 16 ? 16 : n <= 0 ? 0 : static_cast<int32_t>(n));
    return F32x16::map([&](int i) {
        const int32x4_t index = vaddq_s32(vld1q_s32(indices), vdupq_n_s32(i * 4));
        return vbslq_f32(vcltq_s32(index, count), a.part[i], other.part[i]);
    });
}

// The power is applied in two halves, so that a result below the normal range is still rounded only once.
inline float32x4_t scale_by_power(float32x4_t a, float32x4_t n) {
    const int32x4_t whole = vcvtq_s32_f32(n);
    const int32x4_t half = vshrq_n_s32(whole, 1);
    const int32x4_t bias = vdupq_n_s32(127);
    const int32x4_t first = vshlq_n_s32(vaddq_s32(half, bias), 23);
    const int32x4_t second = vshlq_n_s32(vaddq_s32(vsubq_s32(whole, half), bias), 23);
    return vmulq_f32(vmulq_f32(a, vreinterpretq_f32_s32(first)), vreinterpretq_f32_s32(second));
}
inline F32x16 scale_by_power(F32x16 a, F32x16 n) {
    return F32x16::map([&](int i) { return scale_by_power(a.part[i], n.part[i]); });
}

inline float reduce_add(F32x16 a) {
    const float32x4_t four = vaddq_f32(vaddq_f32(a.part[0], a.part[2]), vaddq_f32(a.part[1], a.part[3]));
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
inline float reduce_max(F32x16 a) {
    const float32x4_t four = max(max(a.part[0], a.part[2]), max(a.part[1], a.part[3]));
    const float32x4_t two = max(four, vextq_f32(four, four, 2));
    return vgetq_lane_f32(max(two, vextq_f32(two, two, 1)), 0);
}

// Sums of a block's whole numbers: of its first 16 in four lanes, of its last 16 in four others.
struct BlockSums {
    int32x4_t first;
    int32x4_t last;
};

inline F32x16 larger_magnitude(F32x16 a, F32x16 b) {
    const F32x16 x = abs(a);
    const F32x16 y = abs(b);
    return F32x16::map([&](int i) {
        return vreinterpretq_f32_s32(
            vmaxq_s32(vreinterpretq_s32_f32(x.part[i]), vreinterpretq_s32_f32(y.part[i])));
    });
}
inline void reduce_magnitudes(const F32x16 (&magnitudes)[4], float* out) {
    int32x4_t fours[4];
    for (int i = 0; i < 4; ++i) {
        const float32x4_t(&part)[4] = magnitudes[i].part;
        fours[i] = vmaxq_s32(vmaxq_s32(vreinterpretq_s32_f32(part[0]), vreinterpretq_s32_f32(part[1])),
                             vmaxq_s32(vreinterpretq_s32_f32(part[2]), vreinterpretq_s32_f32(part[3])));
    }
    const int32x4_t all = vpmaxq_s32(vpmaxq_s32(fours[0], fours[1]), vpmaxq_s32(fours[2], fours[3]));
    vst1q_f32(out, vreinterpretq_f32_s32(all));
}

// Sixteen rounded values as bytes.
inline int8x16_t round_to_bytes(F32x16 a) {
    const int16x8_t low = vqmovn_high_s32(vqmovn_s32(vcvtnq_s32_f32(a.part[0])), vcvtnq_s32_f32(a.part[1]));
    const int16x8_t high = vqmovn_high_s32(vqmovn_s32(vcvtnq_s32_f32(a.part[2])), vcvtnq_s32_f32(a.part[3]));
    return vqmovn_high_s16(vqmovn_s16(low), high);
}
inline BlockSums store_bytes(F32x16 a, F32x16 b, int8_t* out) {
    const int8x16_t ones = vdupq_n_s8(1);
    const int8x16_t first = round_to_bytes(a);
    const int8x16_t last = round_to_bytes(b);
    vst1q_s8(out, first);
    vst1q_s8(out + 16, last);
    return {vdotq_s32(vdupq_n_s32(0), first, ones), vdotq_s32(vdupq_n_s32(0), last, ones)};
}
inline int32x4_t add_across(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d) {
    return vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d));
}
inline void reduce_sums(const BlockSums (&sums)[4], int32_t* first, int32_t* all) {
    const int32x4_t one = add_across(sums[0].first, sums[1].first, sums[2].first, sums[3].first);
    const int32x4_t other = add_across(sums[0].last, sums[1].last, sums[2].last, sums[3].last);
    vst1q_s32(first, vmulq_n_s32(one, -128));
    vst1q_s32(all, vmulq_n_s32(vaddq_s32(one, other), -128));
}
inline void store_words(F32x16 a, F32x16 b, int16_t* out) {
    for (int i = 0; i < 4; ++i) {
        vst1_s16(out + i * 4, vqmovn_s32(vcvtnq_s32_f32(a.part[i])));
        vst1_s16(out + 16 + i * 4, vqmovn_s32(vcvtnq_s32_f32(b.part[i])));
    }
}

}  // namespace ggml_transformers::neon
