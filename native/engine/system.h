// What the machine offers this process: memory and cores, within its cgroup and affinity.
#pragma once

#include <cstdint>

namespace ggml_transformers {

struct SystemMemory {
    uint64_t total = 0;      // bytes
    uint64_t available = 0;  // bytes that can be used without swapping
};

SystemMemory system_memory();

// Physical cores this process may use, within its affinity mask and cgroup quota; at least 1.
int default_threads();

}  // namespace ggml_transformers
