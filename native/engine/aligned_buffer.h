// Memory aligned for the widest vectors. It comes from the system page by page and goes back there at once:
// an allocator that keeps what is freed would hold on to the weights of models long disposed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace ggml_transformers {

class AlignedBuffer {
 public:
    AlignedBuffer() = default;
    AlignedBuffer(AlignedBuffer&& other) noexcept
        : memory_(std::exchange(other.memory_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
        std::swap(memory_, other.memory_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    AlignedBuffer(const AlignedBuffer&) = delete;
    AlignedBuffer& operator=(const AlignedBuffer&) = delete;
    ~AlignedBuffer() { release(); }

    // At least that many bytes; what was there before is lost when it has to grow. Throws std::bad_alloc.
    uint8_t* reserve(size_t bytes);
    void release();

    uint8_t* data() const { return memory_; }
    size_t bytes() const { return bytes_; }

 private:
    uint8_t* memory_ = nullptr;
    size_t bytes_ = 0;
};

}  // namespace ggml_transformers
