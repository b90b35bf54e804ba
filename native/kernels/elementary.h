// Elementary functions over vectors of 16 floats, with the same bits in every instruction set.
//
// The polynomials are minimax fits of this project (Lawson's iteration in double precision, coefficients then
// rounded to float); no tables. `V` is one of the F32x16 of simd_*.h. Bounds were measured over every float
// or a dense sweep by test/native/kernel_check.cpp, which holds them.
//
// No result is subnormal, and no number on the way to one: zero takes their place. Intel's processors need a
// hundred times as long for a vector with one such number.
#pragma once

namespace ggml_transformers {

// c[0] + c[1] x + ... by Horner's rule.
template <int count, class V>
inline V polynomial(const float (&c)[count], V x) {
    V sum = V::set(c[count - 1]);
    for (int i = count - 2; i >= 0; --i) sum = fma(sum, x, V::set(c[i]));
    return sum;
}

// 2^x to 1 ulp, for x in [-126, 130].
template <class V>
inline V exp2_within(V x) {
    constexpr float power[] = {1.0f,           0.69314718f,    0.240226477f,  0.0555033237f,
                               0.00961843692f, 0.00133988739f, 0.00015353362f};
    const V whole = round(x);
    return scale_by_power(polynomial(power, sub(x, whole)), whole);
}

// The same over the whole range, from zero to infinity.
template <class V>
inline V exp2(V x) {
    const V least = V::set(-126.0f);
    return select_less(x, least, V::zero(), exp2_within(min(V::set(130.0f), max(least, x))));
}

// e^x to 1 ulp, over the whole range as exp2.
template <class V>
inline V exp(V x) {
    constexpr float power[] = {1.0f,          1.0f,           0.49999994f,   0.166664317f,
                               0.0416680016f, 0.00837416295f, 0.00138436444f};
    const V least = V::set(-87.33f);
    const V within = min(V::set(90.0f), max(least, x));
    const V whole = round(mul(within, V::set(1.44269504f)));
    // ln 2 in two parts; the first has few enough bits for whole * part to be exact.
    V rest = fnma(whole, V::set(0.693145752f), within);
    rest = fnma(whole, V::set(1.42860677e-6f), rest);
    return select_less(x, least, V::zero(), scale_by_power(polynomial(power, rest), whole));
}

// tanh x to 1.5 ulp.
template <class V>
inline V tanh(V x) {
    constexpr float series[] = {-0.333332807f, 0.133314416f, -0.0537397154f, 0.0206390880f, -0.00570498686f};
    const V size = abs(x);
    const V square = mul(x, x);
    const V near = fma(mul(size, square), polynomial(series, square), size);
    const V far = sub(V::set(1.0f), div(V::set(2.0f), add(V::set(1.0f), exp(add(size, size)))));
    return copy_sign(select_less(size, V::set(0.625f), near, far), x);
}

// x / (1 + e^-x), "swish".
template <class V>
inline V silu(V x) {
    return div(x, add(V::set(1.0f), exp(sub(V::zero(), x))));
}

// x times the normal distribution's lower tail at x, by erf: with an absolute error below 1.3e-7 |x|, which
// far out on the negative side goes to zero with the result; below -12.9 it is zero.
//
// With t = |x| and Q(t) the upper tail, gelu(x) = max(x, 0) - t Q(t) for either sign. The logarithm of Q is
// all but a parabola, so one polynomial and one exp2 give Q, with small relative error down to where it
// vanishes.
template <class V>
inline V gelu(V x) {
    constexpr float log2_tail[] = {-1.0f,
                                   -1.15110958f,
                                   -0.459161878f,
                                   -0.0526529811f,
                                   0.00729679689f,
                                   -0.000306241971f,
                                   -0.000128231914f,
                                   3.31826195e-05f,
                                   -3.93105529e-06f,
                                   2.59805375e-07f,
                                   -9.1926422e-09f,
                                   1.35732522e-10f};
    const V most = V::set(12.9f);
    const V t = min(most, abs(x));
    const V tail = select_less(most, abs(x), V::zero(), exp2_within(polynomial(log2_tail, t)));
    return fnma(t, tail, max(V::zero(), x));
}

// GELU with tanh in place of erf, as GPT-2 has it: x / (1 + e^-2u), u = sqrt(2 / pi) (x + 0.044715 x^3).
template <class V>
inline V gelu_tanh(V x) {
    // 2 / ln 2 times the two coefficients of u, for exp2.
    constexpr float linear = 2.30220819f;
    constexpr float cubic = 0.102943240f;
    const V t = min(V::set(11.5f), abs(x));
    const V power = mul(t, fma(mul(t, t), V::set(cubic), V::set(linear)));
    const V tail = div(V::set(1.0f), add(V::set(1.0f), exp2(power)));
    return fnma(t, tail, max(V::zero(), x));
}

}  // namespace ggml_transformers
