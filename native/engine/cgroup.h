// What control groups grant this process: its own group and all around it, the least of each.
#pragma once

#include <cstdint>
#include <string>

namespace ggml_transformers {

struct CgroupLimits {
    double cpus = 0.0;         // processors' worth of time; 0: unlimited
    uint64_t memory_left = 0;  // bytes; meaningful only when memory_limited
    bool memory_limited = false;
};

// Linux's control groups, version 1 or 2; elsewhere nothing is limited. `root` goes before every path.
CgroupLimits cgroup_limits(const std::string& root = "");

}  // namespace ggml_transformers
