#include "engine/system.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <set>
#include <string>
#include <thread>

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

constexpr uint64_t unlimited = std::numeric_limits<uint64_t>::max();

// The first number of a control file; "max" and absence mean unlimited.
uint64_t control_value(const std::string& path) {
    std::ifstream file(path);
    uint64_t value = 0;
    return file >> value ? value : unlimited;
}

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

uint64_t cgroup_memory_left() {
    for (const auto& [limit_path, used_path] :
         {std::pair{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
          std::pair{"/sys/fs/cgroup/memory/memory.limit_in_bytes",
                    "/sys/fs/cgroup/memory/memory.usage_in_bytes"}}) {
        const uint64_t limit = control_value(limit_path);
        const uint64_t used = control_value(used_path);
        if (limit != unlimited && used != unlimited) return limit > used ? limit - used : 0;
    }
    return unlimited;
}

// CPUs' worth of time the cgroup grants, rounded up; a large number when unlimited.
int cgroup_cpus() {
    std::ifstream v2("/sys/fs/cgroup/cpu.max");
    double quota = 0, period = 0;
    if (!(v2 >> quota >> period)) {
        std::ifstream quota_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
        std::ifstream period_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
        if (!(quota_file >> quota) || !(period_file >> period)) return std::numeric_limits<int>::max();
    }
    if (quota <= 0 || period <= 0) return std::numeric_limits<int>::max();
    return std::max(1, static_cast<int>(std::ceil(quota / period)));
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
    return {meminfo("MemTotal"), std::min(meminfo("MemAvailable"), cgroup_memory_left())};
}

int default_threads() { return std::min(physical_cores(), cgroup_cpus()); }

#endif

}  // namespace ggml_transformers
