// A file mapped read-only into memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace ggml_transformers {

class MappedFile {
 public:
    // Throws Error(ModelFileNotFound | ModelFileInvalid).
    explicit MappedFile(const std::string& path);
    ~MappedFile();
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    const uint8_t* data() const { return data_; }
    size_t size() const { return size_; }

    // Asks the system to read ahead.
    void will_need() const;

 private:
    uint8_t* data_ = nullptr;
    size_t size_ = 0;
};

// Lets the system drop the pages that lie within a part of a mapped file; they are read again when touched.
// Only for memory of a MappedFile.
void release_pages(const void* begin, size_t bytes);

}  // namespace ggml_transformers
