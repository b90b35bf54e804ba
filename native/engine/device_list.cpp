#include "engine/device_list.h"

#include <cstdlib>
#include <mutex>
#include <utility>

#include "engine/cpu_check.h"
#include "engine/error.h"
#include "engine/system.h"
#ifdef GGML_TRANSFORMERS_CUDA
#include "cuda/cuda_device.h"
#include "ggml-cuda.h"
#endif
#ifdef GGML_USE_METAL
#include "ggml-metal.h"
#endif

namespace ggml_transformers {

namespace {

void ignore_log(ggml_log_level, const char*, void*) {}

struct Gpu {
    ggml_backend_dev_t device = nullptr;
    DeviceDescription description;
};

// The backends of GPUs that this build has, by the name of their kind. They are asked for one by one: GGML's
// own list of backends also holds the means to load further ones from files.
std::vector<std::pair<std::string, ggml_backend_reg_t>> gpu_backends() {
    std::vector<std::pair<std::string, ggml_backend_reg_t>> backends;
#ifdef GGML_TRANSFORMERS_CUDA
    backends.emplace_back("cuda", ggml_backend_cuda_reg());
#endif
#ifdef GGML_USE_METAL
    backends.emplace_back("metal", ggml_backend_metal_reg());
#endif
    return backends;
}

Gpu describe(ggml_backend_dev_t device, const std::string& kind, size_t index) {
    Gpu gpu{device, {}};
    DeviceDescription& d = gpu.description;
    d.kind = kind;
    d.id = kind == "metal" && index == 0 ? kind : kind + ":" + std::to_string(index);
    d.name = ggml_backend_dev_description(device);
    size_t free = 0, total = 0;
    ggml_backend_dev_memory(device, &free, &total);
    d.memory_total = total;
    d.memory_free = free;
#ifdef GGML_TRANSFORMERS_CUDA
    if (kind == "cuda") {
        const CudaCapability capability = cuda_capability(device);
        d.features.push_back("compute " + capability.name());
        if (!capability.is_supported()) d.unusable = capability.refusal();
    }
#endif
    const ggml_backend_buffer_type_t memory = ggml_backend_dev_buffer_type(device);
    if (memory != nullptr && ggml_backend_buft_is_host(memory)) d.features.emplace_back("unified memory");
    return gpu;
}

std::vector<Gpu> list_gpus() {
    quieten_ggml();
    std::vector<Gpu> gpus;
    for (const auto& [kind, backend] : gpu_backends()) {
        for (size_t i = 0; i < ggml_backend_reg_dev_count(backend); ++i)
            gpus.push_back(describe(ggml_backend_reg_dev_get(backend, i), kind, i));
    }
    return gpus;
}

bool is_meant(const std::string& id, const DeviceDescription& device) {
    return id == device.id || id == device.kind || (device.id == device.kind && id == device.kind + ":0");
}

}  // namespace

// GGML prints to standard error and, when an assertion fails, starts a debugger: neither belongs in a
// library.
void quieten_ggml() {
    static std::once_flag once;
    std::call_once(once, [] {
#ifdef _WIN32
        _putenv_s("GGML_NO_BACKTRACE", "1");
#else
        setenv("GGML_NO_BACKTRACE", "1", 0);
#endif
        ggml_log_set(ignore_log, nullptr);
    });
}

std::vector<DeviceDescription> list_devices() {
    std::vector<DeviceDescription> devices;
    for (Gpu& gpu : list_gpus()) devices.push_back(std::move(gpu.description));
    const SystemMemory memory = system_memory();
    devices.push_back({"cpu", "cpu", cpu_name(), memory.total, memory.available, cpu_features(), ""});
    return devices;
}

ggml_backend_dev_t find_gpu(const std::string& id) {
    std::string known;
    for (const Gpu& gpu : list_gpus()) {
        const DeviceDescription& device = gpu.description;
        if (is_meant(id, device)) {
            if (device.unusable.empty()) return gpu.device;
            throw Error(ErrorCode::DeviceUnavailable, device.name + " cannot be used: " + device.unusable)
                .with("device", id);
        }
        known += device.id + ", ";
    }
    throw Error(ErrorCode::DeviceUnavailable, "Expected one of the devices of this build (" + known +
                                                  "cpu) for device but received \"" + id + "\"")
        .with("device", id);
}

}  // namespace ggml_transformers
