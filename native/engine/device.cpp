#include "engine/device.h"

#include <algorithm>
#include <chrono>

#include "engine/cpu_check.h"
#include "engine/discrete_memory.h"
#include "engine/error.h"
#include "engine/system.h"
#include "ggml-impl.h"
#ifdef GGML_TRANSFORMERS_CUDA
#include "cuda/cublas_loader.h"
#include "cuda/graph_needs.h"
#endif

namespace ggml_transformers {

// --- Memory --------------------------------------------------------------------------------------------

uint64_t DeviceMemory::available() const {
    if (gpu_ == nullptr) return system_memory().available;
    size_t free = 0, total = 0;
    ggml_backend_dev_memory(gpu_, &free, &total);
    return free;
}

bool DeviceMemory::has(uint64_t bytes) const {
    if (gpu_ == nullptr) return has_memory(bytes);
    constexpr uint64_t worth_asking = uint64_t{16} << 20;
    return bytes < worth_asking || bytes <= available();
}

void DeviceMemory::require(uint64_t bytes, const std::string& what) const {
    if (gpu_ == nullptr) return require_memory(bytes, what);
    if (has(bytes)) return;
    const uint64_t free = available();
    throw Error(ErrorCode::OutOfMemory, what + " would need " + std::to_string(bytes) +
                                            " bytes of the GPU's memory, but only " + std::to_string(free) +
                                            " are free")
        .with("required", static_cast<double>(bytes))
        .with("available", static_cast<double>(free));
}

// --- Opening -------------------------------------------------------------------------------------------

namespace {

bool call_should_abort(void* data) { return (*static_cast<const std::function<bool()>*>(data))(); }

ThreadPoolPtr make_thread_pool(int threads) {
    ggml_threadpool_params parameters = ggml_threadpool_params_default(threads);
    parameters.poll = 0;  // workers sleep between graphs: an idle model uses no processor time
    return ThreadPoolPtr(ggml_threadpool_new(&parameters));
}

}  // namespace

Device::Device(const std::string& id, int threads, bool discrete) : id_(id), threads_(threads) {
    require_supported_cpu();
    quieten_ggml();
    if (id == "cpu") {
        open_cpu(discrete);
    } else {
        open_gpu();
    }
}

void Device::open_cpu(bool discrete) {
    is_cpu_ = true;
    is_host_ = !discrete;
    pool_ = make_thread_pool(threads_);
    backend_.reset(ggml_backend_cpu_init());
    if (!pool_ || !backend_) throw Error(ErrorCode::OutOfMemory, "GGML's CPU backend cannot be created");
    ggml_backend_cpu_set_n_threads(backend_.get(), threads_);
    ggml_backend_cpu_set_threadpool(backend_.get(), pool_.get());
    memory_ = {discrete ? discrete_buffer_type() : ggml_backend_get_default_buffer_type(backend_.get()),
               nullptr};
}

void Device::open_gpu() {
    const ggml_backend_dev_t device = find_gpu(id_);
    backend_.reset(ggml_backend_dev_init(device, nullptr));
    if (!backend_) {
        throw Error(ErrorCode::DeviceUnavailable,
                    "The device " + id_ + " cannot be opened: its driver refuses")
            .with("device", id_);
    }
    memory_ = {ggml_backend_dev_buffer_type(device), device};
}

BufferPtr Device::buffer_over(void* memory, size_t bytes, size_t largest) const {
    if (is_host_) return BufferPtr(ggml_backend_cpu_buffer_from_ptr(memory, bytes));
    if (is_cpu_) return nullptr;
    const ggml_backend_dev_t device = ggml_backend_get_device(backend_.get());
    ggml_backend_dev_props properties{};
    ggml_backend_dev_get_props(device, &properties);
    if (!properties.caps.buffer_from_host_ptr) return nullptr;
    return BufferPtr(ggml_backend_dev_buffer_from_host_ptr(device, memory, bytes, largest));
}

// --- What it can compute -------------------------------------------------------------------------------

bool Device::supports(const ggml_tensor* tensor) const {
    // The CPU would run it, in memory that is not the host's.
    if (tensor->op == GGML_OP_CUSTOM) return is_host_;
    return ggml_backend_supports_op(backend_.get(), tensor);
}

bool Device::has_flash_attention(int64_t head, int64_t heads) const {
    if (!may_round_ || is_host_) return false;
    // Kernels are chosen by the size of the heads; other extents stand for any.
    constexpr int64_t tokens = 32;
    ggml_init_params parameters{};
    parameters.mem_size = 4 * ggml_tensor_overhead();
    parameters.no_alloc = true;
    const ContextPtr context(ggml_init(parameters));
    if (!context) return false;
    const auto make = [&](ggml_type type) {
        return ggml_new_tensor_4d(context.get(), type, head, tokens, heads, 1);
    };
    ggml_tensor *q = make(GGML_TYPE_F32), *k = make(GGML_TYPE_F16), *v = make(GGML_TYPE_F16);
    return supports(ggml_flash_attn_ext(context.get(), q, k, v, nullptr, 1.0f, 0.0f, 0.0f));
}

namespace {

Error unsupported(const std::string& device, const ggml_tensor* node, const std::string& why) {
    const ggml_tensor* source = node->src[0];
    const std::string type = ggml_type_name(source != nullptr ? source->type : node->type);
    return Error(ErrorCode::Unsupported, "The device " + device + " cannot compute " + ggml_op_desc(node) +
                                             " of " + type + " here" + why)
        .with("device", device)
        .with("operation", std::string(ggml_op_desc(node)))
        .with("type", type);
}

}  // namespace

void Device::require_supported(ggml_cgraph* graph) {
    if (is_host_) return;
    for (int i = 0; i < ggml_graph_n_nodes(graph); ++i) {
        const ggml_tensor* node = ggml_graph_node(graph, i);
        if (!supports(node)) throw unsupported(id_, node, "");
    }
#ifdef GGML_TRANSFORMERS_CUDA
    if (is_cpu_) return;
    const CudaNeeds needs = cuda_needs(graph, cuda_capability(ggml_backend_get_device(backend_.get())));
    if (needs.cublas != nullptr && !cublas_is_available()) {
        throw unsupported(id_, needs.cublas, " without cuBLAS: install libcublas 13 or 12");
    }
    if (needs.scratch <= scratch_) return;
    memory_.require(needs.scratch - scratch_, "The working memory of this batch");
    scratch_ = needs.scratch;
#endif
}

// --- Computing -----------------------------------------------------------------------------------------

namespace {

void require_success(ggml_status status) {
    switch (status) {
        case GGML_STATUS_SUCCESS:
            return;
        case GGML_STATUS_ABORTED:
            throw aborted();
        case GGML_STATUS_ALLOC_FAILED:
            throw Error(ErrorCode::OutOfMemory, "GGML could not allocate memory for the computation");
        default:
            throw Error(ErrorCode::Internal, "GGML failed to compute the graph");
    }
}

}  // namespace

ComputeGate::Pass Device::enter_gate() const {
    return is_cpu_ && threads_ > 1 ? ComputeGate::instance().enter() : ComputeGate::Pass(nullptr);
}

ggml_status Device::compute_at_once(ggml_cgraph* graph) {
    if (is_host_ || !is_cpu_) return ggml_backend_graph_compute(backend_.get(), graph);
    const DiscreteAccess access;
    return ggml_backend_graph_compute(backend_.get(), graph);
}

void Device::compute(ggml_cgraph* graph, const std::function<bool()>& should_abort) {
    const ComputeGate::Pass pass = enter_gate();
    if (should_abort()) throw aborted();
    if (!is_cpu_) return require_success(compute_at_once(graph));
    ggml_backend_cpu_set_abort_callback(backend_.get(), call_should_abort,
                                        const_cast<std::function<bool()>*>(&should_abort));
    const ggml_status status = compute_at_once(graph);
    ggml_backend_cpu_set_abort_callback(backend_.get(), nullptr, nullptr);
    require_success(status);
}

void Device::compute_timed(ggml_cgraph* graph, const std::function<bool()>& should_abort,
                           const std::function<void(const ggml_tensor*, double)>& tell) {
    using Clock = std::chrono::steady_clock;
    const ComputeGate::Pass pass = enter_gate();
    for (int i = 0; i < ggml_graph_n_nodes(graph); ++i) {
        if (should_abort()) throw aborted();
        const ggml_tensor* node = ggml_graph_node(graph, i);
        if (ggml_op_is_empty(node->op)) continue;
        ggml_cgraph single = ggml_graph_view(graph, i, i + 1);
        const auto begin = Clock::now();
        require_success(compute_at_once(&single));
        tell(node, std::chrono::duration<double>(Clock::now() - begin).count());
    }
}

}  // namespace ggml_transformers
