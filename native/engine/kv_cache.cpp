#include "engine/kv_cache.h"

#include <string>

#include "engine/error.h"

namespace ggml_transformers {

KvCache::KvCache(Device& device, int64_t layers, int64_t hidden, int64_t positions, bool finite,
                 std::atomic<uint64_t>& in_use)
    : capacity_(padded(positions)), in_use_(in_use) {
    ggml_init_params parameters{};
    parameters.mem_size = static_cast<size_t>(2 * layers + 1) * ggml_tensor_overhead();
    parameters.no_alloc = true;
    context_.reset(ggml_init(parameters));
    if (!context_) throw Error(ErrorCode::OutOfMemory, "The KV cache's tensors cannot be allocated");
    for (int64_t layer = 0; layer < layers; ++layer) {
        keys_.push_back(ggml_new_tensor_2d(context_.get(), GGML_TYPE_F32, hidden, capacity_));
        values_.push_back(ggml_new_tensor_2d(context_.get(), GGML_TYPE_F32, capacity_, hidden));
    }
    buffer_.reset(ggml_backend_alloc_ctx_tensors_from_buft(context_.get(), device.buffer_type()));
    if (!buffer_) {
        const uint64_t required = bytes_for(layers, hidden, positions);
        throw Error(ErrorCode::OutOfMemory,
                    "The device cannot hold a KV cache of " + std::to_string(required) + " bytes")
            .with("required", static_cast<double>(required));
    }
    if (finite) ggml_backend_buffer_clear(buffer_.get(), 0);
    in_use_ += bytes();
}

KvCache::~KvCache() { in_use_ -= bytes(); }

}  // namespace ggml_transformers
