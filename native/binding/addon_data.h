// What one environment (the main thread, or a worker) owns.
#pragma once

#include <napi.h>

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "binding/dispatcher.h"
#include "engine/engine.h"
#include "engine/worker_pool.h"

namespace ggml_transformers {

// Marks objects of a class. Two addons can be loaded, and what is one's must not be taken for the other's.
constexpr napi_type_tag type_tag(uint64_t lower, uint64_t upper) {
#ifdef GGML_TRANSFORMERS_CUDA
    return {lower, ~upper};
#else
    return {lower, upper};
#endif
}

class AddonData {
 public:
    using EngineId = uint64_t;

    explicit AddonData(Napi::Env env) : dispatcher(std::make_shared<Dispatcher>(env)) {}

    static AddonData& of(Napi::Env env) { return *env.GetInstanceData<AddonData>(); }

    // An engine from its start until its thread has ended.
    struct Entry {
        std::shared_ptr<Engine> engine;
        bool load_cancelled = false;
        std::vector<Dispatcher::TaskId> disposals;  // promises to resolve at its end
    };

    WorkerPool& workers() {
        if (!workers_) workers_ = std::make_unique<WorkerPool>();
        return *workers_;
    }

    // The environment ends: everything is stopped and waited for.
    void shut_down() {
        dispatcher->close();
        for (const auto& [id, entry] : engines) entry.engine->request_stop();
        for (const auto& [id, entry] : engines) entry.engine->join();
        workers_.reset();
    }

    std::shared_ptr<Dispatcher> dispatcher;
    Napi::FunctionReference model_class;
    Napi::FunctionReference session_class;
    Napi::FunctionReference constraint_class;
    std::map<EngineId, Entry> engines;
    EngineId next_engine = 1;

 private:
    std::unique_ptr<WorkerPool> workers_;
};

}  // namespace ggml_transformers
