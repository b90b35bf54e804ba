// Probabilities of logits, in double precision.
#pragma once

#include <cstdint>
#include <vector>

#include "sampling/candidates.h"

namespace ggml_transformers {

// exp(logit - max) of each candidate and their sum. Equal ones when all candidates are forbidden.
struct Exponentials {
    std::vector<double> values;
    double sum = 0.0;
};
void exponentials(const Candidates& candidates, Exponentials& e);

// The lowest id among the highest logits [V].
int32_t argmax(const float* logits, int64_t vocabulary);

// ln of the sum of exp(logits).
double log_sum(const float* logits, int64_t vocabulary);

// ln softmax(logits)[id].
double log_probability(const float* logits, int64_t vocabulary, int32_t id);

}  // namespace ggml_transformers
