// SplitMix64: Steele, Lea & Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014. Written
// out, so that a seed gives the same text with every compiler and library.
#pragma once

#include <cstdint>

namespace ggml_transformers {

class RandomGenerator {
 public:
    explicit RandomGenerator(uint64_t seed) : state_(seed) {}

    double next_uniform() {  // in [0, 1)
        state_ += 0x9e3779b97f4a7c15u;
        uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        z ^= z >> 31;
        return static_cast<double>(z >> 11) * 0x1.0p-53;
    }

 private:
    uint64_t state_;
};

}  // namespace ggml_transformers
