// Choosing the next token from logits. A chain of samplers, each narrowing or reshaping the candidates, ends
// in one draw. The order is Hugging Face's: temperature, top-k, top-p.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace ggml_transformers {

struct SamplingOptions {
    double temperature = 0.0;  // 0: greedy
    int32_t top_k = 0;         // 0: all
    double top_p = 1.0;        // 1: all
    uint32_t seed = 0;
};

struct Candidate {
    int32_t id;
    float logit;
};

// Candidates in no particular order unless a sampler says it sorts them.
using Candidates = std::vector<Candidate>;

class Sampler {
 public:
    virtual ~Sampler() = default;
    virtual void apply(Candidates& candidates) = 0;
};

// One file each.
std::unique_ptr<Sampler> make_temperature(double temperature);
std::unique_ptr<Sampler> make_top_k(int32_t k);
std::unique_ptr<Sampler> make_top_p(double p);

// Highest logit first; ties by the lower id, so that the order is total and a run repeatable.
void sort_by_logit(Candidates& candidates);

// exp(logit - max) of each candidate and their sum, in double precision.
struct Exponentials {
    std::vector<double> values;
    double sum = 0.0;
};
void exponentials(const Candidates& candidates, Exponentials& e);

class SamplerChain {
 public:
    explicit SamplerChain(const SamplingOptions& options);

    // The next token's id for logits [V].
    int32_t sample(const float* logits, int64_t vocabulary);

 private:
    double next_uniform();  // in [0, 1)

    std::vector<std::unique_ptr<Sampler>> samplers_;
    bool greedy_;
    uint64_t state_;  // of the random generator
    // Their memory is used again for every token.
    Candidates candidates_;
    Exponentials exponentials_;
};

// The lowest id among the highest logits.
int32_t argmax(const float* logits, int64_t vocabulary);

// ln softmax(logits)[id], in double precision.
double log_probability(const float* logits, int64_t vocabulary, int32_t id);

}  // namespace ggml_transformers
