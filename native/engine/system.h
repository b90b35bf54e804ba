// What the machine offers this process: memory and cores, within its cgroup and affinity.
#pragma once

#include <cstdint>
#include <string>

namespace ggml_transformers {

struct SystemMemory {
    uint64_t total = 0;      // bytes
    uint64_t available = 0;  // bytes that can be used without swapping
};

SystemMemory system_memory();

// Whether that many bytes are available. Small amounts are not worth asking the system for.
bool has_memory(uint64_t bytes);

// Throws Error(OutOfMemory) that says `what` needs them, unless they are available.
void require_memory(uint64_t bytes, const std::string& what);

// Physical cores this process may use, within its affinity mask and cgroup quota; at least 1.
int default_threads();

}  // namespace ggml_transformers
