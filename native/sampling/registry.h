// All samplers by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sampling/sampler.h"

namespace ggml_transformers {

struct SamplerEntry {
    const char* name;  // of the option that asks for it
    bool draws;        // shapes a random draw, without meaning for the likeliest token
    std::unique_ptr<Sampler> (*make)(const SamplingOptions& options);
};

// In the order in which they are applied unless the options give another.
const std::vector<SamplerEntry>& samplers();
const SamplerEntry* find_sampler(const std::string& name);

}  // namespace ggml_transformers
