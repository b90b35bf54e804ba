#include "engine/aligned_buffer.h"

#include <new>

#ifdef _WIN32
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#else
#include <sys/mman.h>
#endif

namespace ggml_transformers {

namespace {

#ifdef _WIN32

uint8_t* map_pages(size_t bytes) {
    return static_cast<uint8_t*>(VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
}

void unmap_pages(uint8_t* memory, size_t) { VirtualFree(memory, 0, MEM_RELEASE); }

#else

uint8_t* map_pages(size_t bytes) {
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : static_cast<uint8_t*>(memory);
}

void unmap_pages(uint8_t* memory, size_t bytes) { munmap(memory, bytes); }

#endif

}  // namespace

uint8_t* AlignedBuffer::reserve(size_t bytes) {
    if (bytes <= bytes_) return memory_;
    release();
    constexpr size_t page = 4096;
    const size_t rounded = (bytes + page - 1) / page * page;
    memory_ = map_pages(rounded);
    if (memory_ == nullptr) throw std::bad_alloc();
    bytes_ = rounded;
    return memory_;
}

void AlignedBuffer::release() {
    if (memory_ != nullptr) unmap_pages(memory_, bytes_);
    memory_ = nullptr;
    bytes_ = 0;
}

}  // namespace ggml_transformers
