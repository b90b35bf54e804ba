#include "engine/weights.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "engine/error.h"
#include "engine/system.h"

namespace ggml_transformers {

namespace {

constexpr size_t slice_bytes = size_t{16}
                               << 20;  // how much is touched or copied between two progress reports

// Those of a mapped file are copied: they lie between matrices that are packed and then let go, and touching
// one maps its whole neighbourhood again.
bool is_vector(const ggml_tensor* tensor) { return ggml_n_dims(tensor) == 1; }

size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

Error bad_tensor(const std::string& name, const std::string& why) {
    return Error(ErrorCode::ModelFileInvalid, "Tensor \"" + name + "\" " + why).with("field", name);
}

std::string describe(const std::vector<int64_t>& shape) {
    std::string text = "[";
    for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
    return text + "]";
}

std::vector<int64_t> shape_of(const ggml_tensor* tensor) {
    return {tensor->ne, tensor->ne + ggml_n_dims(tensor)};
}

// Bytes of the tensor; throws when the product overflows or a row does not hold whole blocks.
uint64_t checked_bytes(const TensorEntry& entry, ggml_type type) {
    if (entry.shape.empty() || entry.shape.size() > GGML_MAX_DIMS) {
        throw bad_tensor(entry.name,
                         "has " + std::to_string(entry.shape.size()) + " dimensions, not one to four");
    }
    const uint64_t block = static_cast<uint64_t>(ggml_blck_size(type));
    uint64_t elements = 1;
    for (const uint64_t extent : entry.shape) {
        constexpr uint64_t limit = uint64_t{1} << 48;  // far above any file, far below overflow of bytes
        if (extent == 0 || extent > limit / elements) {
            throw bad_tensor(entry.name, "has an impossible shape");
        }
        elements *= extent;
    }
    if (entry.shape[0] % block != 0) {
        throw bad_tensor(entry.name, "has rows of " + std::to_string(entry.shape[0]) +
                                         " values, not a multiple of its type's block of " +
                                         std::to_string(block));
    }
    return elements / block * ggml_type_size(type);
}

}  // namespace

ggml_type weight_type(const std::string& name) {
    static const std::array<std::pair<const char*, ggml_type>, 11> types = {{{"F32", GGML_TYPE_F32},
                                                                             {"F16", GGML_TYPE_F16},
                                                                             {"BF16", GGML_TYPE_BF16},
                                                                             {"Q8_0", GGML_TYPE_Q8_0},
                                                                             {"Q4_0", GGML_TYPE_Q4_0},
                                                                             {"Q4_1", GGML_TYPE_Q4_1},
                                                                             {"Q5_0", GGML_TYPE_Q5_0},
                                                                             {"Q5_1", GGML_TYPE_Q5_1},
                                                                             {"Q4_K", GGML_TYPE_Q4_K},
                                                                             {"Q5_K", GGML_TYPE_Q5_K},
                                                                             {"Q6_K", GGML_TYPE_Q6_K}}};
    for (const auto& [known, type] : types) {
        if (name == known) return type;
    }
    throw Error(ErrorCode::Unsupported, "The tensor type " + name + " is not supported").with("type", name);
}

Weights::Weights(const ModelSpec& spec, const LoadOptions& options, Device& device,
                 const LoadProgress& progress)
    : file_(std::make_unique<MappedFile>(spec.path)) {
    declare(spec);
    refuse_what_does_not_fit(options.max_memory, device.memory());
    if (!use_in_place(device, progress)) copy_to(device, progress);
    ggml_backend_buffer_set_usage(buffer_.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
}

void Weights::declare(const ModelSpec& spec) {
    ggml_init_params parameters{};
    parameters.mem_size = (spec.tensors.size() + 1) * ggml_tensor_overhead();
    parameters.no_alloc = true;
    context_.reset(ggml_init(parameters));
    if (!context_) throw Error(ErrorCode::OutOfMemory, "The tensor table cannot be allocated");

    for (const TensorEntry& entry : spec.tensors) {
        if (entry.name.empty() || entry.name.size() >= GGML_MAX_NAME) {
            throw bad_tensor(entry.name.substr(0, GGML_MAX_NAME), "has an empty or overlong name");
        }
        const ggml_type type = weight_type(entry.type);
        const uint64_t bytes = checked_bytes(entry, type);
        if (entry.offset > file_->size() || bytes > file_->size() - entry.offset) {
            throw bad_tensor(entry.name,
                             "ends beyond the file's " + std::to_string(file_->size()) + " bytes");
        }
        if (entry.offset % alignof(float) != 0) {
            throw bad_tensor(entry.name,
                             "begins at byte " + std::to_string(entry.offset) + ", not a multiple of four");
        }
        std::array<int64_t, GGML_MAX_DIMS> extents{};
        std::copy(entry.shape.begin(), entry.shape.end(), extents.begin());
        ggml_tensor* tensor =
            ggml_new_tensor(context_.get(), type, static_cast<int>(entry.shape.size()), extents.data());
        ggml_set_name(tensor, entry.name.c_str());
        if (!tensors_.emplace(entry.name, Placed{tensor, entry.offset}).second) {
            throw bad_tensor(entry.name, "appears twice");
        }
        total_bytes_ += bytes;
        if (type == GGML_TYPE_F32) f32_bytes_ += bytes;
    }
}

void Weights::refuse_what_does_not_fit(uint64_t max_memory, const DeviceMemory& memory) const {
    const uint64_t limit = max_memory != 0 ? max_memory : memory.available();
    if (limit == 0 || total_bytes_ <= limit) return;  // zero: the system did not say
    throw Error(ErrorCode::OutOfMemory, "The model's weights need " + std::to_string(total_bytes_) +
                                            " bytes of memory, but only " + std::to_string(limit) +
                                            " are available: use a smaller or more strongly quantized model")
        .with("required", static_cast<double>(total_bytes_))
        .with("available", static_cast<double>(limit));
}

bool Weights::use_in_place(const Device& device, const LoadProgress& progress) {
    // GGML never writes to weights; its interface just has no const.
    uint8_t* base = const_cast<uint8_t*>(file_->data());
    size_t largest = 0;
    for (const auto& [name, placed] : tensors_) largest = std::max(largest, ggml_nbytes(placed.tensor));
    buffer_ = device.buffer_over(base, file_->size(), largest);
    if (!buffer_) return false;
    if (device.is_host()) copy_vectors();
    for (const auto& [name, placed] : tensors_) {
        if (placed.tensor->data != nullptr) continue;
        ggml_backend_tensor_alloc(buffer_.get(), placed.tensor, base + placed.offset);
    }
    mapped_bytes_ = total_bytes_ - copied_bytes_;

    // Touch every page once, so that the first inference does not wait for the disk.
    file_->will_need();
    constexpr size_t page = 4096;
    volatile uint8_t sink = 0;
    for (size_t begin = 0; begin < file_->size(); begin += slice_bytes) {
        if (progress.should_abort()) throw aborted();
        const size_t end = std::min(begin + slice_bytes, file_->size());
        for (size_t at = begin; at < end; at += page) sink = base[at];
        progress.report(static_cast<double>(end) / static_cast<double>(file_->size()));
    }
    static_cast<void>(sink);
    return true;
}

void Weights::copy_vectors() {
    size_t bytes = 0;
    for (const auto& [name, placed] : tensors_) {
        if (!is_vector(placed.tensor)) continue;
        const size_t size = ggml_nbytes(placed.tensor);
        bytes += aligned(size);
        copied_bytes_ += size;
    }
    if (bytes == 0) return;
    uint8_t* at = vectors_.reserve(bytes);
    vector_buffer_.reset(ggml_backend_cpu_buffer_from_ptr(at, bytes));
    if (!vector_buffer_) throw Error(ErrorCode::OutOfMemory, "The weights' buffer cannot be created");
    for (const auto& [name, placed] : tensors_) {
        if (!is_vector(placed.tensor)) continue;
        const size_t size = ggml_nbytes(placed.tensor);
        std::memcpy(at, file_->data() + placed.offset, size);
        ggml_backend_tensor_alloc(vector_buffer_.get(), placed.tensor, at);
        at += aligned(size);
    }
}

void Weights::copy_to(Device& device, const LoadProgress& progress) {
    buffer_.reset(ggml_backend_alloc_ctx_tensors_from_buft(context_.get(), device.buffer_type()));
    if (!buffer_) {
        throw Error(ErrorCode::OutOfMemory, "The device cannot hold the model's weights of " +
                                                std::to_string(total_bytes_) + " bytes")
            .with("required", static_cast<double>(total_bytes_));
    }
    uint64_t done = 0;
    for (const auto& [name, placed] : tensors_) {
        const size_t bytes = ggml_nbytes(placed.tensor);
        for (size_t begin = 0; begin < bytes; begin += slice_bytes) {
            if (progress.should_abort()) throw aborted();
            const size_t count = std::min(slice_bytes, bytes - begin);
            ggml_backend_tensor_set(placed.tensor, file_->data() + placed.offset + begin, begin, count);
            done += count;
            progress.report(static_cast<double>(done) / static_cast<double>(total_bytes_));
        }
    }
    copied_bytes_ = total_bytes_;
    file_.reset();
}

ggml_tensor* Weights::find(const std::string& name, const std::vector<int64_t>& shape) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) return nullptr;
    ggml_tensor* tensor = found->second.tensor;
    for (size_t i = 0; i < GGML_MAX_DIMS; ++i) {
        if (tensor->ne[i] != (i < shape.size() ? shape[i] : 1)) {
            throw bad_tensor(name,
                             "has the shape " + describe(shape_of(tensor)) + ", expected " + describe(shape));
        }
    }
    return tensor;
}

ggml_tensor* Weights::require(const std::string& name, const std::vector<int64_t>& shape) const {
    ggml_tensor* tensor = find(name, shape);
    if (tensor == nullptr) throw bad_tensor(name, "is missing, expected the shape " + describe(shape));
    return tensor;
}

int64_t Weights::extent(const std::string& name, int dimension) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? 0 : found->second.tensor->ne[dimension];
}

}  // namespace ggml_transformers
