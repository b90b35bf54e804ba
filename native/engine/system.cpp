#include "engine/system.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <string>
#include <thread>

#include "engine/cgroup.h"
#include "engine/error.h"

#if defined(_WIN32)
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#elif defined(__APPLE__)
#include <mach/mach.h>
#include <sys/sysctl.h>
#else
#include <sched.h>
#endif

namespace ggml_transformers {

bool has_memory(uint64_t bytes) {
    constexpr uint64_t worth_asking = uint64_t{64} << 20;
    if (bytes < worth_asking) return true;
    const uint64_t available = system_memory().available;
    return available == 0 || bytes <= available;  // zero: the system did not say
}

void require_memory(uint64_t bytes, const std::string& what) {
    if (has_memory(bytes)) return;
    const uint64_t available = system_memory().available;
    throw Error(ErrorCode::OutOfMemory, what + " would need " + std::to_string(bytes) +
                                            " bytes of memory, but only " + std::to_string(available) +
                                            " are available")
        .with("required", static_cast<double>(bytes))
        .with("available", static_cast<double>(available));
}

#if defined(_WIN32)

SystemMemory system_memory() {
    MEMORYSTATUSEX status{};
    status.dwLength = sizeof(status);
    if (!GlobalMemoryStatusEx(&status)) return {};
    return {status.ullTotalPhys, status.ullAvailPhys};
}

int default_threads() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency() / 2)); }

#elif defined(__APPLE__)

namespace {

uint64_t sysctl_number(const char* name) {
    uint64_t value = 0;
    size_t size = sizeof(value);
    return sysctlbyname(name, &value, &size, nullptr, 0) == 0 ? value : 0;
}

}  // namespace

SystemMemory system_memory() {
    SystemMemory memory;
    memory.total = sysctl_number("hw.memsize");
    vm_statistics64_data_t statistics{};
    mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
    if (host_statistics64(mach_host_self(), HOST_VM_INFO64, reinterpret_cast<host_info64_t>(&statistics),
                          &count) == KERN_SUCCESS) {
        memory.available = (static_cast<uint64_t>(statistics.free_count) + statistics.inactive_count +
                            statistics.purgeable_count) *
                           vm_kernel_page_size;
    }
    return memory;
}

int default_threads() {
    const uint64_t performance = sysctl_number("hw.perflevel0.physicalcpu");
    const uint64_t physical = performance != 0 ? performance : sysctl_number("hw.physicalcpu");
    return std::max(1, static_cast<int>(physical));
}

#else

namespace {

uint64_t meminfo(const std::string& key) {
    std::ifstream file("/proc/meminfo");
    std::string name, unit;
    uint64_t kibibytes = 0;
    while (file >> name >> kibibytes) {
        std::getline(file, unit);
        if (name == key + ":") return kibibytes * 1024;
    }
    return 0;
}

// One entry per physical core among the CPUs of the affinity mask.
int physical_cores() {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    if (sched_getaffinity(0, sizeof(mask), &mask) != 0) {
        return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    }
    std::set<std::string> cores;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(cpu, &mask)) continue;
        std::ifstream siblings("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                               "/topology/thread_siblings_list");
        std::string list;
        cores.insert(siblings >> list ? list : "cpu" + std::to_string(cpu));
    }
    return std::max(1, static_cast<int>(cores.size()));
}

}  // namespace

SystemMemory system_memory() {
    const CgroupLimits limits = cgroup_limits();
    const uint64_t available = meminfo("MemAvailable");
    return {meminfo("MemTotal"), limits.memory_limited ? std::min(available, limits.memory_left) : available};
}

int default_threads() {
    const CgroupLimits limits = cgroup_limits();
    if (limits.cpus <= 0.0) return physical_cores();
    // A share of a processor counts as one: it is better used in bursts than not at all.
    const double granted = std::ceil(std::min(limits.cpus, 1024.0));
    return std::min(physical_cores(), static_cast<int>(granted));
}

#endif

}  // namespace ggml_transformers
