#include "sampling/probability.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace ggml_transformers {

namespace {

// Loops are in columns that do not wait for each other, so that compilers use vectors.
constexpr int64_t columns = 16;

// e^x for x <= 0 to some units in the last place, 0 below the smallest normal number. Without branches and
// calls, for vectors; and written out, so that a seed gives the same text with every library.
inline double exponential(double x) {
    constexpr double log2e = 1.4426950408889634, ln2_high = 0x1.62e42fefa0000p-1,
                     ln2_low = 0x1.cf79abc9e3b39p-40;
    constexpr double to_integer = 0x1.8p52;  // adding it rounds, and leaves the integer in the lowest bits
    constexpr double least = -708.0;
    const double bounded = x < least ? least : x;
    const double shifted = bounded * log2e + to_integer;
    const double k = shifted - to_integer;
    const double r = bounded - k * ln2_high - k * ln2_low;  // |r| <= ln(2) / 2
    double p = 1.0 / 6227020800.0;
    for (const double factorial : {479001600.0, 39916800.0, 3628800.0, 362880.0, 40320.0, 5040.0, 720.0,
                                   120.0, 24.0, 6.0, 2.0, 1.0, 1.0}) {
        p = p * r + 1.0 / factorial;
    }
    uint64_t bits, exponent;
    std::memcpy(&bits, &p, sizeof bits);
    std::memcpy(&exponent, &shifted, sizeof exponent);
    bits += exponent << 52;
    std::memcpy(&p, &bits, sizeof p);
    return x < least ? 0.0 : p;
}

// Skips NaN.
float highest_of(const float* logits, int64_t vocabulary) {
    float most[columns];
    std::fill_n(most, columns, -std::numeric_limits<float>::infinity());
    int64_t i = 0;
    for (; i + columns <= vocabulary; i += columns) {
        for (int64_t c = 0; c < columns; ++c) most[c] = most[c] < logits[i + c] ? logits[i + c] : most[c];
    }
    for (; i < vocabulary; ++i) most[0] = most[0] < logits[i] ? logits[i] : most[0];
    return *std::max_element(most, most + columns);
}

double total(const double* values, int64_t count) {
    double sums[columns] = {};
    int64_t i = 0;
    for (; i + columns <= count; i += columns) {
        for (int64_t c = 0; c < columns; ++c) sums[c] += values[i + c];
    }
    for (int64_t c = 0; i < count; ++i, ++c) sums[c] += values[i];
    double sum = 0.0;
    for (const double each : sums) sum += each;
    return sum;
}

}  // namespace

void exponentials(const Candidates& candidates, Exponentials& e) {
    const double highest = candidates.highest();
    e.values.reserve(candidates.vocabulary());  // as many as there can be: never again
    e.values.resize(candidates.size());
    for (size_t i = 0; i < candidates.size(); ++i) {
        const double logit = candidates[i].logit;
        e.values[i] = logit == highest ? 0.0 : logit - highest;  // infinite ones have no difference
    }
    for (double& value : e.values) value = exponential(value);
    e.sum = total(e.values.data(), static_cast<int64_t>(e.values.size()));
}

int32_t argmax(const float* logits, int64_t vocabulary) {
    const float* end = logits + vocabulary;
    const float* found = std::find(logits, end, highest_of(logits, vocabulary));
    return found == end ? 0 : static_cast<int32_t>(found - logits);  // all are NaN
}

double log_sum(const float* logits, int64_t vocabulary) {
    constexpr int64_t block = 256;
    const double highest = highest_of(logits, vocabulary);
    double values[block];
    double sum = 0.0;
    for (int64_t first = 0; first < vocabulary; first += block) {
        const int64_t count = std::min(block, vocabulary - first);
        for (int64_t i = 0; i < count; ++i) {
            values[i] = exponential(static_cast<double>(logits[first + i]) - highest);
        }
        sum += total(values, count);
    }
    return highest + std::log(sum);
}

double log_probability(const float* logits, int64_t vocabulary, int32_t id) {
    return static_cast<double>(logits[id]) - log_sum(logits, vocabulary);
}

}  // namespace ggml_transformers
