// The tensors of a model file, checked and placed on a device.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/aligned_buffer.h"
#include "engine/device.h"
#include "engine/ggml_ptr.h"
#include "engine/mapped_file.h"
#include "engine/model_spec.h"

namespace ggml_transformers {

// Asked and told while loading; `report` gets a fraction in [0, 1].
struct LoadProgress {
    std::function<void(double)> report;
    std::function<bool()> should_abort;
};

class Weights {
 public:
    // Maps the file, checks every entry of the table against it with overflow-safe arithmetic, refuses what
    // does not fit in memory, and places the tensors: in place where the device can read the mapping, else
    // copied. Throws Error(ModelFileInvalid | ModelFileNotFound | Unsupported | OutOfMemory | Aborted).
    Weights(const ModelSpec& spec, const LoadOptions& options, Device& device, const LoadProgress& progress);

    // The tensor of that name and shape (innermost first); throws Error(ModelFileInvalid) naming it
    // otherwise.
    ggml_tensor* require(const std::string& name, const std::vector<int64_t>& shape) const;
    // The same, or null when the file has no tensor of that name.
    ggml_tensor* find(const std::string& name, const std::vector<int64_t>& shape) const;
    // The extent of one dimension, or 0 when the file has no tensor of that name.
    int64_t extent(const std::string& name, int dimension) const;

    // Whether most of the file is single precision.
    bool mostly_f32() const { return 2 * f32_bytes_ > total_bytes_; }

    uint64_t mapped_bytes() const { return mapped_bytes_; }
    uint64_t copied_bytes() const { return copied_bytes_; }

 private:
    struct Placed {
        ggml_tensor* tensor;
        uint64_t offset;
    };

    void declare(const ModelSpec& spec);
    void refuse_what_does_not_fit(uint64_t max_memory, const DeviceMemory& memory) const;
    // Whether the device can read the mapped file.
    bool use_in_place(const Device& device, const LoadProgress& progress);
    void copy_vectors();
    void copy_to(Device& device, const LoadProgress& progress);

    std::unique_ptr<MappedFile> file_;
    AlignedBuffer vectors_;
    ContextPtr context_;
    BufferPtr buffer_;
    BufferPtr vector_buffer_;  // over vectors_
    std::unordered_map<std::string, Placed> tensors_;
    uint64_t total_bytes_ = 0;
    uint64_t f32_bytes_ = 0;
    uint64_t mapped_bytes_ = 0;
    uint64_t copied_bytes_ = 0;
};

// The GGML type of that name among those weights may have. Throws Error(Unsupported).
ggml_type weight_type(const std::string& name);

}  // namespace ggml_transformers
