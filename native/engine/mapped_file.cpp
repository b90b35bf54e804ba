#include "engine/mapped_file.h"

#include <cerrno>
#include <cstring>

#include "engine/error.h"

#ifdef _WIN32
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace ggml_transformers {

namespace {

[[noreturn]] void fail(ErrorCode code, const std::string& path, const std::string& why) {
    throw Error(code, "Cannot map the model file \"" + path + "\": " + why).with("path", path);
}

}  // namespace

#ifdef _WIN32

namespace {

struct Handle {
    HANDLE value = nullptr;
    ~Handle() {
        if (value != nullptr && value != INVALID_HANDLE_VALUE) CloseHandle(value);
    }
};

std::wstring widen(const std::string& text) {
    const int length =
        MultiByteToWideChar(CP_UTF8, 0, text.data(), static_cast<int>(text.size()), nullptr, 0);
    std::wstring wide(static_cast<size_t>(length), L'\0');
    MultiByteToWideChar(CP_UTF8, 0, text.data(), static_cast<int>(text.size()), wide.data(), length);
    return wide;
}

}  // namespace

MappedFile::MappedFile(const std::string& path) {
    Handle file;
    file.value = CreateFileW(widen(path).c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, nullptr,
                             OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
    if (file.value == INVALID_HANDLE_VALUE) fail(ErrorCode::ModelFileNotFound, path, "it cannot be opened");
    LARGE_INTEGER length;
    if (!GetFileSizeEx(file.value, &length) || length.QuadPart <= 0) {
        fail(ErrorCode::ModelFileInvalid, path, "it is empty or not a regular file");
    }
    Handle mapping;
    mapping.value = CreateFileMappingW(file.value, nullptr, PAGE_READONLY, 0, 0, nullptr);
    if (mapping.value == nullptr) fail(ErrorCode::OutOfMemory, path, "the system refused the mapping");
    data_ = static_cast<uint8_t*>(MapViewOfFile(mapping.value, FILE_MAP_READ, 0, 0, 0));
    if (data_ == nullptr) fail(ErrorCode::OutOfMemory, path, "the system refused the view");
    size_ = static_cast<size_t>(length.QuadPart);
}

MappedFile::~MappedFile() {
    if (data_ != nullptr) UnmapViewOfFile(data_);
}

void MappedFile::will_need() const {}

void release_pages(const void*, size_t) {}

#else

namespace {

struct Descriptor {
    int value = -1;
    ~Descriptor() {
        if (value >= 0) close(value);
    }
};

}  // namespace

MappedFile::MappedFile(const std::string& path) {
    Descriptor file;
    file.value = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file.value < 0) {
        fail(errno == ENOENT ? ErrorCode::ModelFileNotFound : ErrorCode::ModelFileInvalid, path,
             std::strerror(errno));
    }
    struct stat status {};
    if (fstat(file.value, &status) != 0) fail(ErrorCode::ModelFileInvalid, path, std::strerror(errno));
    if (!S_ISREG(status.st_mode) || status.st_size <= 0) {
        fail(ErrorCode::ModelFileInvalid, path, "it is empty or not a regular file");
    }
    void* address = mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_SHARED, file.value, 0);
    if (address == MAP_FAILED) fail(ErrorCode::OutOfMemory, path, std::strerror(errno));
    data_ = static_cast<uint8_t*>(address);
    size_ = static_cast<size_t>(status.st_size);
}

MappedFile::~MappedFile() {
    if (data_ != nullptr) munmap(data_, size_);
}

void MappedFile::will_need() const { madvise(data_, size_, MADV_WILLNEED); }

void release_pages(const void* begin, size_t bytes) {
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const auto first = (reinterpret_cast<uintptr_t>(begin) + page - 1) / page * page;
    const uintptr_t last = (reinterpret_cast<uintptr_t>(begin) + bytes) / page * page;
    if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

#endif

}  // namespace ggml_transformers
