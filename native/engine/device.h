// A GGML backend chosen by name, with its threads.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/compute_gate.h"
#include "engine/ggml_ptr.h"

namespace ggml_transformers {

struct DeviceDescription {
    std::string id;    // "cpu", "cuda:0", "metal"
    std::string kind;  // "cpu", "cuda", "metal"
    std::string name;
    uint64_t memory_total = 0;  // bytes
    uint64_t memory_free = 0;   // bytes
    std::vector<std::string> features;
};

std::vector<DeviceDescription> list_devices();

class Device {
 public:
    // `threads` is how many GGML computes with; GPUs ignore it.
    // Throws Error(DeviceUnavailable | Unsupported | OutOfMemory).
    Device(const std::string& id, int threads);

    const std::string& id() const { return id_; }
    ggml_backend_t backend() const { return backend_.get(); }
    ggml_backend_buffer_type_t buffer_type() const;
    // Whether weights can stay in a mapped file.
    bool uses_host_memory() const { return ggml_backend_is_cpu(backend_.get()); }

    // Runs the graph. `should_abort` is asked between nodes where the backend can (the CPU).
    // Throws Error(Aborted | OutOfMemory | Internal).
    void compute(ggml_cgraph* graph, const std::function<bool()>& should_abort);
    // The same node by node, telling how long each took.
    void compute_timed(ggml_cgraph* graph, const std::function<bool()>& should_abort,
                       const std::function<void(const ggml_tensor*, double)>& tell);

 private:
    ComputeGate::Pass enter_gate() const;

    std::string id_;
    int threads_;
    ThreadPoolPtr pool_;  // before backend_: destroyed after it
    BackendPtr backend_;
};

}  // namespace ggml_transformers
