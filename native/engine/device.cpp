#include "engine/device.h"

#include <chrono>
#include <cstdlib>
#include <mutex>

#include "engine/cpu_check.h"
#include "engine/error.h"
#include "engine/system.h"
#include "ggml-impl.h"

namespace ggml_transformers {

namespace {

void ignore_log(ggml_log_level, const char*, void*) {}

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

bool call_should_abort(void* data) { return (*static_cast<const std::function<bool()>*>(data))(); }

ThreadPoolPtr make_thread_pool(int threads) {
    ggml_threadpool_params parameters = ggml_threadpool_params_default(threads);
    parameters.poll = 0;  // workers sleep between graphs: an idle model uses no processor time
    return ThreadPoolPtr(ggml_threadpool_new(&parameters));
}

}  // namespace

std::vector<DeviceDescription> list_devices() {
    const SystemMemory memory = system_memory();
    return {{"cpu", "cpu", cpu_name(), memory.total, memory.available, cpu_features()}};
}

Device::Device(const std::string& id, int threads) : id_(id), threads_(threads) {
    if (id != "cpu") {
        throw Error(ErrorCode::DeviceUnavailable,
                    "Expected one of the devices of this build (cpu) for device but received \"" + id + "\"")
            .with("device", id);
    }
    require_supported_cpu();
    quieten_ggml();
    pool_ = make_thread_pool(threads);
    backend_.reset(ggml_backend_cpu_init());
    if (!pool_ || !backend_) throw Error(ErrorCode::OutOfMemory, "GGML's CPU backend cannot be created");
    ggml_backend_cpu_set_n_threads(backend_.get(), threads);
    ggml_backend_cpu_set_threadpool(backend_.get(), pool_.get());
}

ggml_backend_buffer_type_t Device::buffer_type() const {
    return ggml_backend_get_default_buffer_type(backend_.get());
}

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
    return threads_ > 1 ? ComputeGate::instance().enter() : ComputeGate::Pass(nullptr);
}

void Device::compute(ggml_cgraph* graph, const std::function<bool()>& should_abort) {
    const ComputeGate::Pass pass = enter_gate();
    if (should_abort()) throw aborted();
    ggml_backend_cpu_set_abort_callback(backend_.get(), call_should_abort,
                                        const_cast<std::function<bool()>*>(&should_abort));
    const ggml_status status = ggml_backend_graph_compute(backend_.get(), graph);
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
        require_success(ggml_backend_graph_compute(backend_.get(), &single));
        tell(node, std::chrono::duration<double>(Clock::now() - begin).count());
    }
}

}  // namespace ggml_transformers
