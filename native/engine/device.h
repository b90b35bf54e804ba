// A GGML backend chosen by name, with its threads.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "engine/compute_gate.h"
#include "engine/device_list.h"
#include "engine/ggml_ptr.h"

namespace ggml_transformers {

// What memory there is where a device keeps its tensors. Valid as long as the process: sessions outlive their
// device.
class DeviceMemory {
 public:
    // `gpu` is null for the system's.
    DeviceMemory(ggml_backend_buffer_type_t type, ggml_backend_dev_t gpu) : type_(type), gpu_(gpu) {}
    DeviceMemory() = default;

    ggml_backend_buffer_type_t type() const { return type_; }
    // Bytes that can be used; 0: nobody says.
    uint64_t available() const;
    // Whether that many bytes are. Small amounts are not worth asking for.
    bool has(uint64_t bytes) const;
    // Throws Error(OutOfMemory) that says `what` needs them, unless they are available.
    void require(uint64_t bytes, const std::string& what) const;

 private:
    ggml_backend_buffer_type_t type_ = nullptr;
    ggml_backend_dev_t gpu_ = nullptr;
};

class Device {
 public:
    // `threads` is how many GGML computes with; GPUs ignore it. `discrete`: the CPU, in memory that is
    // handled as a GPU's (discrete_memory.h). Throws Error(DeviceUnavailable | Unsupported | OutOfMemory).
    Device(const std::string& id, int threads, bool discrete);

    const std::string& id() const { return id_; }
    const DeviceMemory& memory() const { return memory_; }
    ggml_backend_buffer_type_t buffer_type() const { return memory_.type(); }
    // The processor, in the system's memory: alone there run operations of this project's own, and weights
    // can stay in a mapped file.
    bool is_host() const { return is_host_; }
    // A buffer over memory of the process that the device can read, or null where it cannot. `largest`: bytes
    // of the largest tensor.
    BufferPtr buffer_over(void* memory, size_t bytes, size_t largest) const;

    // Whether attention over heads of that many values can be one operation that rounds keys and values to
    // half precision; never unless rounding is allowed.
    bool has_flash_attention(int64_t head, int64_t heads) const;
    void allow_rounding() { may_round_ = true; }

    // Whether it can compute the tensor from its sources, whose memory may be missing yet.
    bool supports(const ggml_tensor* tensor) const;
    // Throws Error(Unsupported) naming the first operation of the graph that it cannot, Error(OutOfMemory)
    // when there is no room for what its kernels need beside the graph's tensors.
    void require_supported(ggml_cgraph* graph);

    // Runs the graph. `should_abort` is asked between nodes where the backend can (the CPU), else before.
    // Throws Error(Aborted | OutOfMemory | Internal).
    void compute(ggml_cgraph* graph, const std::function<bool()>& should_abort);
    // The same node by node, telling how long each took.
    void compute_timed(ggml_cgraph* graph, const std::function<bool()>& should_abort,
                       const std::function<void(const ggml_tensor*, double)>& tell);

 private:
    void open_cpu(bool discrete);
    void open_gpu();
    ComputeGate::Pass enter_gate() const;
    ggml_status compute_at_once(ggml_cgraph* graph);

    std::string id_;
    int threads_;
    bool is_host_ = false;
    bool is_cpu_ = false;
    bool may_round_ = false;
    DeviceMemory memory_;
    ThreadPoolPtr pool_;  // before backend_: destroyed after it
    BackendPtr backend_;
    // Of CUDA: bytes that kernels have had beside the graphs' tensors.
    [[maybe_unused]] uint64_t scratch_ = 0;
};

}  // namespace ggml_transformers
