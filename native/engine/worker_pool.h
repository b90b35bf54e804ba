// Threads for work that belongs to no model: quantizing and dequantizing rows.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace ggml_transformers {

class WorkerPool {
 public:
    WorkerPool();
    // Work not begun is dropped.
    ~WorkerPool();
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;

    // `work` must not throw.
    void run(std::function<void()> work);

 private:
    void serve();

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::function<void()>> queue_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace ggml_transformers
