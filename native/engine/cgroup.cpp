#include "engine/cgroup.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace ggml_transformers {

namespace {

void limit_cpus(CgroupLimits& limits, double quota, double period) {
    if (quota <= 0.0 || period <= 0.0) return;
    const double cpus = quota / period;
    limits.cpus = limits.cpus > 0.0 ? std::min(limits.cpus, cpus) : cpus;
}

void limit_memory(CgroupLimits& limits, const std::string& limit_path, const std::string& used_path) {
    std::ifstream limit_file(limit_path), used_file(used_path);
    uint64_t limit = 0, used = 0;
    if (!(limit_file >> limit) || !(used_file >> used)) return;  // "max", or no such file
    const uint64_t left = limit > used ? limit - used : 0;
    limits.memory_left = limits.memory_limited ? std::min(limits.memory_left, left) : left;
    limits.memory_limited = true;
}

void read_v2(CgroupLimits& limits, const std::string& folder) {
    std::ifstream file(folder + "/cpu.max");
    double quota = 0.0, period = 0.0;
    if (file >> quota >> period) limit_cpus(limits, quota, period);
    limit_memory(limits, folder + "/memory.max", folder + "/memory.current");
}

void read_v1_cpu(CgroupLimits& limits, const std::string& folder) {
    std::ifstream quota_file(folder + "/cpu.cfs_quota_us"), period_file(folder + "/cpu.cfs_period_us");
    double quota = 0.0, period = 0.0;
    if (quota_file >> quota && period_file >> period) limit_cpus(limits, quota, period);
}

void read_v1_memory(CgroupLimits& limits, const std::string& folder) {
    limit_memory(limits, folder + "/memory.limit_in_bytes", folder + "/memory.usage_in_bytes");
}

// From the group up to the root. A container often sees its own group as the root, while the path is that of
// the host: what is not there limits nothing.
template <class Read>
void read_upwards(CgroupLimits& limits, const std::string& mount, std::string path, const Read& read) {
    while (!path.empty() && path != "/") {
        read(limits, mount + path);
        path.erase(path.rfind('/'));
    }
    read(limits, mount);
}

bool has_controller(const std::string& controllers, const std::string& wanted) {
    std::istringstream list(controllers);
    std::string each;
    while (std::getline(list, each, ',')) {
        if (each == wanted) return true;
    }
    return false;
}

}  // namespace

CgroupLimits cgroup_limits(const std::string& root) {
    CgroupLimits limits;
    const std::string mount = root + "/sys/fs/cgroup";
    std::ifstream groups(root + "/proc/self/cgroup");
    std::string line;
    while (std::getline(groups, line)) {
        // hierarchy:controllers:path
        const size_t first = line.find(':'), second = line.find(':', first + 1);
        if (second == std::string::npos || line[second + 1] != '/') continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        const std::string path = line.substr(second + 1);
        if (controllers.empty()) {
            read_upwards(limits, mount, path, read_v2);
            read_upwards(limits, mount + "/unified", path, read_v2);
        }
        if (has_controller(controllers, "cpu")) {
            read_upwards(limits, mount + "/cpu", path, read_v1_cpu);
            read_upwards(limits, mount + "/" + controllers, path, read_v1_cpu);
        }
        if (has_controller(controllers, "memory"))
            read_upwards(limits, mount + "/memory", path, read_v1_memory);
    }
    return limits;
}

}  // namespace ggml_transformers
