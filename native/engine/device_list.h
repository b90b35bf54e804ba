// The devices this build can compute on, by the names that callers use.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/ggml_ptr.h"

namespace ggml_transformers {

struct DeviceDescription {
    std::string id;    // "cpu", "cuda:0", "metal"
    std::string kind;  // "cpu", "cuda", "metal"
    std::string name;
    uint64_t memory_total = 0;  // bytes
    uint64_t memory_free = 0;   // bytes
    std::vector<std::string> features;
    // Why no model can be loaded there, for example because the GPU is too old; empty: one can.
    std::string unusable;
};

// GPUs first, each kind in its driver's order; the CPU last.
std::vector<DeviceDescription> list_devices();

// The GPU that `id` means: "cuda" and "metal" are the first of their kind, "cuda:1" the second. Throws
// Error(DeviceUnavailable) naming those there are, or why it cannot be used.
ggml_backend_dev_t find_gpu(const std::string& id);

// Silences GGML. Call before anything else of it.
void quieten_ggml();

}  // namespace ggml_transformers
