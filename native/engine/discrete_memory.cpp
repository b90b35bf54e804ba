#include "engine/discrete_memory.h"

#include <cstdint>
#include <cstring>
#include <mutex>
#include <new>
#include <set>

#include "engine/aligned_buffer.h"
#include "ggml-backend-impl.h"

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

void set_accessible(uint8_t* memory, size_t bytes, bool accessible) {
#ifdef _WIN32
    DWORD before = 0;
    VirtualProtect(memory, bytes, accessible ? PAGE_READWRITE : PAGE_NOACCESS, &before);
#else
    mprotect(memory, bytes, accessible ? PROT_READ | PROT_WRITE : PROT_NONE);
#endif
}

class Block;

// All blocks there are, and how many graphs are being computed: these may touch every one of them.
struct Registry {
    std::mutex mutex;
    std::set<Block*> blocks;
    int computing = 0;

    static Registry& instance() {
        // Never destroyed: process.exit() runs destructors while engine threads still come and go.
        static Registry& registry = *new Registry;
        return registry;
    }
};

class Block {
 public:
    explicit Block(size_t bytes) {
        memory_.reserve(bytes);
        Registry& registry = Registry::instance();
        const std::lock_guard lock(registry.mutex);
        registry.blocks.insert(this);
        protect(registry);
    }
    ~Block() {
        Registry& registry = Registry::instance();
        const std::lock_guard lock(registry.mutex);
        registry.blocks.erase(this);
    }
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;

    uint8_t* data() const { return memory_.data(); }
    void protect(const Registry& registry) {
        set_accessible(data(), memory_.bytes(), registry.computing > 0 || open_ > 0);
    }
    void open(int change) {
        Registry& registry = Registry::instance();
        const std::lock_guard lock(registry.mutex);
        open_ += change;
        protect(registry);
    }

 private:
    AlignedBuffer memory_;
    int open_ = 0;  // copies under way; guarded by the registry's mutex
};

class Opening {
 public:
    explicit Opening(ggml_backend_buffer_t buffer) : block_(static_cast<Block*>(buffer->context)) {
        block_->open(1);
    }
    ~Opening() { block_->open(-1); }
    Opening(const Opening&) = delete;
    Opening& operator=(const Opening&) = delete;

 private:
    Block* block_;
};

uint8_t* bytes_of(const ggml_tensor* tensor, size_t offset) {
    return static_cast<uint8_t*>(tensor->data) + offset;
}

const ggml_backend_buffer_i buffer_interface = {
    /* .free_buffer   = */ [](ggml_backend_buffer_t buffer) { delete static_cast<Block*>(buffer->context); },
    /* .get_base      = */
    [](ggml_backend_buffer_t buffer) -> void* { return static_cast<Block*>(buffer->context)->data(); },
    /* .init_tensor   = */ nullptr,
    /* .memset_tensor = */
    [](ggml_backend_buffer_t buffer, ggml_tensor* tensor, uint8_t value, size_t offset, size_t size) {
        const Opening opening(buffer);
        std::memset(bytes_of(tensor, offset), value, size);
    },
    /* .set_tensor    = */
    [](ggml_backend_buffer_t buffer, ggml_tensor* tensor, const void* data, size_t offset, size_t size) {
        const Opening opening(buffer);
        std::memcpy(bytes_of(tensor, offset), data, size);
    },
    /* .get_tensor    = */
    [](ggml_backend_buffer_t buffer, const ggml_tensor* tensor, void* data, size_t offset, size_t size) {
        const Opening opening(buffer);
        std::memcpy(data, bytes_of(tensor, offset), size);
    },
    /* .set_tensor_2d = */ nullptr,
    /* .get_tensor_2d = */ nullptr,
    /* .cpy_tensor    = */ nullptr,
    /* .clear         = */
    [](ggml_backend_buffer_t buffer, uint8_t value) {
        const Opening opening(buffer);
        std::memset(static_cast<Block*>(buffer->context)->data(), value, buffer->size);
    },
    /* .reset         = */ nullptr,
};

ggml_backend_buffer_t allocate(ggml_backend_buffer_type_t type, size_t size) {
    try {
        return ggml_backend_buffer_init(type, buffer_interface, new Block(size), size);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

void compute_more(int change) {
    Registry& registry = Registry::instance();
    const std::lock_guard lock(registry.mutex);
    registry.computing += change;
    for (Block* block : registry.blocks) block->protect(registry);
}

}  // namespace

ggml_backend_buffer_type_t discrete_buffer_type() {
    static ggml_backend_buffer_type type = {
        {
            /* .get_name       = */ [](ggml_backend_buffer_type_t) { return "Discrete"; },
            /* .alloc_buffer   = */ allocate,
            /* .get_alignment  = */ [](ggml_backend_buffer_type_t) -> size_t { return 128; },
            /* .get_max_size   = */ nullptr,
            /* .get_alloc_size = */ nullptr,
            /* .is_host        = */ nullptr,
        },
        nullptr,
        nullptr,
    };
    return &type;
}

DiscreteAccess::DiscreteAccess() { compute_more(1); }
DiscreteAccess::~DiscreteAccess() { compute_more(-1); }

}  // namespace ggml_transformers
